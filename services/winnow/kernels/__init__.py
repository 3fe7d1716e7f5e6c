"""The few hot loops, each behind one protocol; whatever the backend, the same picks."""
