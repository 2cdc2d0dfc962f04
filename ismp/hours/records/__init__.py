"""What happens to stored records: credit, deletion, duplicates, totals."""
