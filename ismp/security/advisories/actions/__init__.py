"""Actions on advisories, their files and their lists."""
