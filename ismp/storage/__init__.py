"""Keys, encrypted files, bulk writes and the replica of the database."""
