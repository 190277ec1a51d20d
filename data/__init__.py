"""Preparing data: from photographs, mattes and backgrounds to composites on disk."""
