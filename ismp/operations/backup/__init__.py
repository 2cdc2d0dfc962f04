"""Backup and restore of the whole platform, and moving it to PostgreSQL."""
