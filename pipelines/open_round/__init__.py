"""A policy and a budget to a round, when the pool and the money allow it."""
