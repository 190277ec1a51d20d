"""Image files: reading, writing, listing."""
