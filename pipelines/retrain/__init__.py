"""Dataset snapshot to N trained members."""
