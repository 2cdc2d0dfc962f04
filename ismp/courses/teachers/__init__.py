"""教師: teachers of courses and their certificates."""
