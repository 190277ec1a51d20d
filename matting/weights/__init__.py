"""Weight files: reading, writing, names, and matching with a network."""
