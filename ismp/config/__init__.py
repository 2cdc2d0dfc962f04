"""Settings, the table of contents of the site, and the doors of server and console."""
