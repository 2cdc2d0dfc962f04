"""What may be typed about accounts, departments and postings."""
