"""Tables and papers to take away: .xlsx, CSV and PDF, and their answers over HTTP."""
