"""What natural image matting is, without a framework: NumPy and OpenCV."""
