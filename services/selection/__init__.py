"""Scores, embeddings, policy and budget → one ordered batch with a reason per frame."""
