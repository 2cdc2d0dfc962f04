"""Forms about accounts, departments and postings."""
