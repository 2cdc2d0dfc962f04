"""實體課程: who gets a place, who was there, and the teacher's pages."""
