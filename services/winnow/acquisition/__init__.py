"""Acquisition functions: class probabilities of a committee → worth of a label, frame by frame."""
