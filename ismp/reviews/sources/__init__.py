"""Sources of 機關審核作業: items that wait for a decision, by kind of applicant."""
