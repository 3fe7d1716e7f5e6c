"""Is the default policy the best one? Learning curves of every strategy, paired by seed."""
