"""What waits for a decision, by who asks: the sources of 機關審核作業."""
