"""Agreement between annotators, and plans of which labels are inspected."""
