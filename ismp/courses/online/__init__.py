"""線上課程: putting a course together, and learning in it."""
