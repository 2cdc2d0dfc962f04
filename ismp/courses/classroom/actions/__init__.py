"""Actions on classes, and on who is there."""
