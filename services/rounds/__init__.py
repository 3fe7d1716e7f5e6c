"""Keeps the pool, opens a round with a snapshot, closes the loop."""
