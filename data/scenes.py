"""Backgrounds, which are crops of the photographs that scikit-image's wheel carries, and drawn landscapes; textures."""
import importlib.util
from pathlib import Path

import cv2
import numpy as np

from data.noise import random_colour, smooth_noise
from matting.images.reading import read_image

# All CC0 or in the public domain, says skimage/data/_fetchers.py.
PHOTOGRAPHS = ("astronaut.png", "brick.png", "camera.png", "chelsea.png", "grass.png", "gravel.png",
               "hubble_deep_field.jpg")
HELD_OUT = ("coffee.png", "rocket.jpg")  # for validation, so that no crop of them is ever trained on


def find_photographs(names):
    """Paths of those of scikit-image's photographs that are installed; none without the package."""
    package = importlib.util.find_spec("skimage")
    if package is None:
        return []
    return [path for path in (Path(package.origin).parent / "data" / name for name in names) if path.is_file()]


def crop_photograph(path, height, width, rng):
    """A random part of a photograph, (height, width, 3) uint8, mirrored at random, grey ones tinted."""
    photograph = read_image(path)
    h, w = photograph.shape[:2]
    scale = min(h / height, w / width) * rng.uniform(0.5, 1)
    crop_height, crop_width = round(scale * height), round(scale * width)
    top, left = rng.integers(h - crop_height + 1), rng.integers(w - crop_width + 1)
    crop = photograph[top:top + crop_height, left:left + crop_width, :][:, ::rng.choice([-1, 1])]
    crop = cv2.resize(np.ascontiguousarray(crop), (width, height),
                      interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC)
    if (photograph == photograph[:, :, :1]).all():
        crop = crop * random_colour(rng, saturation=(0, 0.35), value=(0.8, 1))
    return crop.astype(np.uint8)


def with_texture(alpha, colours, photograph, rng):
    """A photograph's crop in the lights and darks of a drawn object; all uint8, (H, W) and (H, W, 3)."""
    light = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY).astype(np.float32)
    light /= max(1.0, np.average(light, weights=alpha.astype(np.float32) + 1e-3))
    kept = rng.uniform(0.1, 0.7)  # of the drawing's own shading
    shade = np.clip(1 - kept + kept * light, 0.3, 1.6)
    return np.rint(np.clip(photograph * shade[:, :, None], 0, 255)).astype(np.uint8)


def draw_landscape(height, width, rng):
    """Hills under a cloudy sky, with lights out of focus, (height, width, 3) uint8."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, horizon = random_colour(rng, (0.2, 0.6), (0.3, 0.9)), random_colour(rng, (0.1, 0.4), (0.7, 1))
    clouds = smooth_noise(height, width, rng, cells=3)[:, :, None]
    scene = (top + (horizon - top) * down) * (0.75 + 0.35 * clouds)
    ground = random_colour(rng, (0.2, 0.6), (0.25, 0.7))
    for distance in (0.35, 0.2, 0):
        ridge = (0.5 + distance * -0.6 + 0.5 * smooth_noise(1, width, rng, cells=2)[0]) * height
        hill = np.arange(height)[:, None] > ridge
        surface = (0.6 + 0.6 * smooth_noise(height, width, rng, cells=16))[:, :, None] * ground
        scene = np.where(hill[:, :, None], surface * (1 - distance) + horizon * distance, scene)
    lights = np.zeros((height, width, 4), np.float32)  # colour times strength, and strength
    for _ in range(rng.integers(4, 16)):
        strength, colour = rng.uniform(0.2, 0.7), random_colour(rng, value=(0.8, 1))
        cv2.circle(lights, (int(rng.integers(width)), int(rng.integers(height))), int(height * rng.uniform(0.01, 0.06)),
                   [*(strength * colour).tolist(), strength], cv2.FILLED)
    lights = cv2.blur(lights, (5, 5))
    scene = scene * (1 - lights[:, :, 3:]) + lights[:, :, :3]
    return np.rint(255 * scene.clip(0, 1)).astype(np.uint8)
