"""Strategies x budgets x seeds: learning curves, and what choosing is worth in money."""
