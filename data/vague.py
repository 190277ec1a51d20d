"""Drawn foregrounds without a sharp outline, and plain ones beside them: smoke, motion blur, solid bodies.

Each takes height, width and a generator -> float32 (H, W) alpha and (H, W, 3) colours in [0, 1], yet to be reduced.
"""
import cv2
import numpy as np

from data.drawing import SUPERSAMPLING, blob, blurred, surface
from data.noise import random_colour, smooth_noise


def smoke(height, width, rng):
    """A cloud that thins out in wisps."""
    small = height // SUPERSAMPLING, width // SUPERSAMPLING  # nothing in it is finer
    x, y = np.meshgrid(np.arange(small[1], dtype=np.float32), np.arange(small[0], dtype=np.float32))
    reach = rng.uniform(0.05, 0.25) * min(small)
    swirl = [reach * (smooth_noise(*small, rng, cells=3, octaves=4) - 0.5) for _ in range(2)]
    body = smooth_noise(*small, rng, cells=int(rng.integers(2, 5)), octaves=6)
    body = cv2.remap(body, x + 2 * swirl[0], y + 2 * swirl[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    outline = blob(*small, rng, parts=6, spread=0.5)
    outline = cv2.remap(outline, x + swirl[1], y + swirl[0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    envelope = np.clip(0.5 + outline / (rng.uniform(0.2, 0.6) * min(small)), 0, 1)
    alpha = np.clip(rng.uniform(1.2, 2.2) * (body - rng.uniform(0.2, 0.45)), 0, 1) * envelope
    alpha *= rng.uniform(0.4, 1) / alpha.max()
    alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_LINEAR)
    shade = rng.uniform(0.3, 1) * (0.75 + 0.4 * smooth_noise(height, width, rng, cells=4))
    return alpha.clip(0, 1), (random_colour(rng, (0, 0.25), (0.5, 1)) * shade[:, :, None]).clip(0, 1)


def motion(height, width, rng):
    """A body, and something thin, blurred along the way it moves."""
    alpha, colours = solid(height, width, rng)
    x0, y0, x1, y1 = rng.uniform(0.15, 0.85, 4) * [width, height, width, height]
    stick = np.zeros((height, width), np.uint8)
    cv2.line(stick, (int(x0), int(y0)), (int(x1), int(y1)), 255, int(rng.integers(6, 40)), cv2.LINE_AA)
    alpha = np.maximum(alpha, stick / np.float32(255))
    angle, length = rng.uniform(0, 180), int(rng.uniform(0.04, 0.3) * min(height, width))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    alpha, colours = (cv2.warpAffine(field, turn, (width, height), borderMode=border) for field, border in
                      ((alpha, cv2.BORDER_CONSTANT), (colours, cv2.BORDER_REFLECT)))
    return blurred(alpha, colours, lambda layers: cv2.blur(layers, (length, 1)))


def solid(height, width, rng):
    """One to three plain bodies, round or with corners, sharp or a little out of focus."""
    alpha = np.zeros((height, width), np.float32)
    colours = surface(height, width, rng)
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.6:
            part = np.clip(blob(height, width, rng, parts=rng.integers(1, 6)) + 0.5, 0, 1)
        else:
            part = _polygon(height, width, rng)
        colours = np.where(part[:, :, None] > 0, surface(height, width, rng), colours)
        alpha = np.maximum(alpha, part)
    softness = rng.random() ** 6 * 0.015 * min(height, width)
    return blurred(alpha, colours, lambda layers: cv2.GaussianBlur(layers, (0, 0), softness + 0.3))


def _polygon(height, width, rng):
    corners = rng.integers(3, 9)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = rng.uniform(0.2, 0.9, corners) * min(height, width) / 2
    centre = np.array([width, height]) * rng.uniform(0.35, 0.65, 2)
    points = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    part = np.zeros((height, width), np.uint8)
    cv2.fillPoly(part, [np.rint(points).astype(np.int32)], 255, cv2.LINE_AA)
    return part / np.float32(255)
