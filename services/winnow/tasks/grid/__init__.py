"""Grid detection: one probability map per class, boxes beside it."""
