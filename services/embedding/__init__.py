"""Frame bytes to embedding, perceptual hash and quality gates."""
