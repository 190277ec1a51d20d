"""What `make bench` runs: speed as ratios measured side by side in one run."""
