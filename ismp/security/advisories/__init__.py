"""資安情資: taking in, publishing, answering."""
