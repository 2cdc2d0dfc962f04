"""Actions on records: undo, delete, restore, credit, decide; the same as jobs."""
