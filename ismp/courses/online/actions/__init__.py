"""Actions on what people learn online."""
