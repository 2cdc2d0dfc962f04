"""The list of learning hours: its search, its pages, its export."""
