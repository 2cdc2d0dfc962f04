"""達標狀況 in figures: the board of an agency and that of the city."""
