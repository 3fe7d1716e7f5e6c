"""Committee predictions over a pool snapshot."""
