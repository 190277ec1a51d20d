"""The PyTorch reference of the networks in ms_impl: same classes, same attributes, same order."""
