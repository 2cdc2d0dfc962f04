"""人員名冊: reading the CSV, checking its lines, writing what they change."""
