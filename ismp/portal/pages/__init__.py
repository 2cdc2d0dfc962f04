"""The texts of the site and their editing."""
