"""What the committee learns. A new kind of task is a new file here."""
