"""The seven artifacts: JSON documents that must still be readable in ten years."""
