"""Labeling gateway: tasks into the labeling tool, answers back."""
