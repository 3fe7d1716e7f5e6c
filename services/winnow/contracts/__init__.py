"""What services agree on: topics, messages, and the files that references point to."""
