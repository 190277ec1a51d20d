"""The parameters of the MindSpore programs."""
