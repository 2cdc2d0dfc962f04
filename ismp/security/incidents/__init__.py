"""資通安全通報: reporting, its clocks, and what moves an incident on."""
