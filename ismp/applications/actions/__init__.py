"""申請: asking, deciding, and naming a delegate who decides."""
