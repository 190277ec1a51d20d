"""What natural image matting is, without a framework: numpy, OpenCV and SciPy only."""
