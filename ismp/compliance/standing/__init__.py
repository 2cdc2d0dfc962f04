"""達標狀況: how people stand on a day, why, and what would change it."""
