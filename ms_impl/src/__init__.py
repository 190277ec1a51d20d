"""The MindSpore networks, losses and data loaders."""
