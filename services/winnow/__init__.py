"""Winnow: the active-learning data engine. The library; services are packages beside it."""
