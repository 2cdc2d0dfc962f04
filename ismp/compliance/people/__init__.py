"""達標狀況 by person: the list, its pages, and reminders."""
