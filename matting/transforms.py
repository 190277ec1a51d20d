"""What is done to a training sample: trimap, crop, size, flip, normalisation (Lu et al. 2019, section 5.2).

Pixels stay uint8, as in the files, until they have the network's size; from there on they are float32 in [0, 1].
"""
import cv2
import numpy as np

from matting.compat import zip_equal
from matting.trimap import MAX_RADIUS, UNKNOWN, trimap_within, unknown_region

NEAREST = cv2.INTER_NEAREST  # for values that must not mix: trimaps, distances
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
              for place, size in zip_equal(centre, (height, width)))
    return tuple(slice(start, start + side) for start in corner)


def draw_flip(rng):
    """Whether to mirror a sample: True half of the time."""
    return rng.random() < 0.5


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


def fit(pixels, size, flip, interpolation=cv2.INTER_CUBIC):
    """Square uint8 crop (S, S[, 3]) -> (size, size[, 3]) uint8, mirrored left to right where `flip`."""
    pixels = cv2.resize(pixels, (size, size), interpolation=interpolation)
    return cv2.flip(pixels, 1) if flip else pixels


def fit_trimap(alpha, distance, radius, size, flip):
    """Square uint8 crops (S, S) of a matte and of what a row of trimap.TRIMAP_RULES measured -> (size, size) trimap.

    Reduced to the nearest pixels, which may leave out every unknown one where few are. Then each pixel whose place held
    one is unknown, so that a crop with unknown pixels keeps some.
    """
    # alpha and distance are reduced, and not the trimap: the same, as each of its pixels depends on one of both
    nearest = (fit(pixels, size, flip=False, interpolation=NEAREST) for pixels in (alpha, distance))
    trimap = trimap_within(*nearest, radius)
    if not unknown_region(trimap).any():
        rows, columns = np.nonzero(distance <= radius)
        trimap[rows * size // len(alpha), columns * size // len(alpha)] = UNKNOWN
    return cv2.flip(trimap, 1) if flip else trimap


def to_float(pixels):
    """uint8 (H, W[, 3]) -> float32 in [0, 1], colours plane after plane in memory, as networks take them."""
    channels = cv2.split(pixels)
    planes = np.empty((len(channels), *pixels.shape[:2]), np.float32)
    for plane, channel in zip_equal(planes, channels):
        np.multiply(channel, np.float32(1 / 255), out=plane, dtype=np.float32)
    return planes.transpose(1, 2, 0) if pixels.ndim == 3 else planes[0]


def normalise(image, trimap, config):
    """(H, W, 3) RGB in [0, 1] and (H, W) trimap in {0, 128, 255} -> (4, H, W) float32, the network's input.

    Each channel is (value in the file / img_scale - img_mean) / img_std.
    """
    scale = np.array([255, 255, 255, 1]) / config.img_scale / config.img_std
    offset = np.divide(config.img_mean, config.img_std)
    result = np.empty((4, *trimap.shape), np.float32)
    for plane, values, a, b in zip_equal(result, (*image.transpose(2, 0, 1), trimap), scale, offset):
        np.multiply(values, np.float32(a), out=plane, dtype=np.float32)
        plane -= np.float32(b)
    return result
