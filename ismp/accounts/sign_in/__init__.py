"""Signing in and staying signed in: passwords, sessions, lock-out."""
