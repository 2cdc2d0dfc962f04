"""Actions on accounts, departments and postings: one module for each noun."""
