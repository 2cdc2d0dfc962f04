"""Actions on stored records: credit, deletion, duplicates, totals."""
