"""What the programs of both frameworks share: evaluation, prediction, export, a first look at the data."""
