"""What Winnow needs from the world, as protocols. Adapters implement them; fakes do too."""
