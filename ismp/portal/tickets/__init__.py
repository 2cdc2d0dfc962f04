"""報修: tickets and their pages."""
