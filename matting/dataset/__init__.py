"""A data set's files, and the samples and batches that are made of them."""
