"""Agreement between annotators, and which of their labels are inspected."""
