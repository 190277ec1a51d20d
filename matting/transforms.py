"""What is done to a training sample: trimap, crop, size, flip, normalisation (Lu et al. 2019, section 5.2).

Pixels stay uint8, as in the files, until they have the network's size; from there on they are float32 in [0, 1].
"""
import dataclasses

import cv2
import numpy as np

from matting.decoded import MAX_RADIUS

ENLARGED = 500 / 320  # short side of a small image after enlarging, over input_size


def draw_radius(rng):
    """A trimap's radius in pixels, 1 to MAX_RADIUS, each equally likely."""
    return int(rng.integers(1, MAX_RADIUS + 1))


def draw_crop(foreground, radius, input_size, scales, rng):
    """(rows, columns), slices of a square around a random unknown pixel of a DecodedForeground.

    Its side is drawn from `scales` times input_size, of which some must fit. Near the border it is moved inside.
    """
    height, width = foreground.alpha.shape
    fitting = [side for side in (round(input_size * scale) for scale in scales) if side <= min(height, width)]
    side = fitting[rng.integers(len(fitting))]
    centre = foreground.unknown_pixel(radius, rng)
    corner = (min(max(int(place) - side // 2, 0), size - side)
              for place, size in zip(centre, (height, width), strict=True))
    return tuple(slice(start, start + side) for start in corner)


def enlarged_size(height, width, input_size):
    """(height, width) an image has before it is cropped: its own, unless its short side is under input_size.

    "An image whose short side is under 320 is first enlarged to 500" is read as: its short side becomes 500, the long
    one follows in proportion; for other input sizes than 320 the 500 is scaled with them.
    """
    short = min(height, width)
    if short >= input_size:
        return height, width
    scale = round(input_size * ENLARGED) / short
    return round(height * scale), round(width * scale)


def resize(pixels, size):
    """uint8 (H, W[, 3]) -> `size`, (height, width): cubic, overshoot saturates at 0 and 255."""
    return cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_CUBIC)


def to_input_size(pixels, input_size):
    """Square uint8 crop (S, S[, 3]) -> float32 in [0, 1], of side input_size, cubic."""
    if len(pixels) != input_size:
        pixels = resize(pixels, (input_size, input_size))
    return np.multiply(pixels, np.float32(1 / 255), dtype=np.float32)


def nearest(pixels, size):
    """Square uint8 crop (S, S) -> (size, size), of values that must not mix."""
    return cv2.resize(pixels, (size, size), interpolation=cv2.INTER_NEAREST)


def random_flip(sample, rng):
    """The Sample mirrored left to right with probability 1/2."""
    if rng.random() >= 0.5:
        return sample
    fields = ((field.name, getattr(sample, field.name)) for field in dataclasses.fields(sample))
    return type(sample)(**{name: pixels[:, ::-1] for name, pixels in fields})


def normalise(image, trimap, config):
    """(H, W, 3) RGB in [0, 1] and (H, W) trimap in {0, 128, 255} -> (4, H, W) float32, the network's input.

    Each channel is (value in the file / img_scale - img_mean) / img_std.
    """
    std = np.asarray(config.img_std, np.float32)[:, None, None]
    offset = np.asarray(config.img_mean, np.float32)[:, None, None] / std
    result = np.empty((4, *trimap.shape), np.float32)
    np.multiply(image.transpose(2, 0, 1), 255 / config.img_scale / std[:3], out=result[:3], dtype=np.float32)
    np.multiply(trimap, 1 / config.img_scale / std[3], out=result[3], dtype=np.float32)
    return np.subtract(result, offset, out=result)
