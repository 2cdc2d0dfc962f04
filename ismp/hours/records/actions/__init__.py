"""What somebody does to records: undo, delete, restore, credit, decide; and the same as jobs."""
