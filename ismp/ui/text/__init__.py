"""Text and numbers as people write them: ROC dates, search keys, Markdown."""
