"""Trained members to the active committee."""
