"""What is done to accounts, departments and postings: one module for each noun."""
