"""Training, whatever the framework: the loop, its stages, checkpoints and reports."""
