"""Smooth random fields, of which surfaces and skies are drawn."""
import cv2
import numpy as np


def smooth_noise(height, width, rng, cells=4, octaves=5):
    """(height, width) float32 in [0, 1]: random grids of `cells`, twice, four times ... as many, ever weaker."""
    field = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        grid = rng.random((cells * 2**octave + 1,) * 2, np.float32)
        field += cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR) / 2**octave
    low, high = field.min(), field.max()
    return (field - low) / (high - low)


def random_colour(rng, saturation=(0.3, 0.9), value=(0.4, 1.0)):
    """(3,) float32 RGB of a random hue."""
    hue, saturation, value = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
    shift = np.array([5, 3, 1]) + 6 * hue  # HSV to RGB: each channel is a trapezoid of the hue
    return (value - value * saturation * np.clip(np.minimum(shift % 6, 4 - shift % 6), 0, 1)).astype(np.float32)
