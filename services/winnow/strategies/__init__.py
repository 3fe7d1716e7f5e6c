"""Query strategies: which frames, in which order, and why."""
