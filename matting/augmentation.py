"""What varies a training sample beyond its crop: geometry, colours, noise, blur, JPEG traces; two foregrounds in one.

Layers are uint8, (S, S, 3) colours and (S, S) alpha. Every choice comes from the generator that is given.
"""
import cv2
import numpy as np
import simplejpeg

SMALLEST = 0.7  # of the smallest crop that `scales` allows, enlarged to the network's size
TURN = np.pi / 4  # largest rotation, radians
SHEAR = 0.12  # standard deviation
BYTE_DEVIATION = np.sqrt((256**2 - 1) / 12)  # the standard deviation of 0..255, each equally likely
GREY = np.full((3, 3), 1 / 3)
DIAGONAL = np.ones(3) / np.sqrt(3)  # hues turn around it


def draw_scale(shape, size, scales, rng):
    """Pixels of an (H, W) layer in one of the sample, small steps and large ones alike; the crop fits where it can."""
    largest = min(max(scales), min(shape) / size)
    smallest = min(SMALLEST * min(scales), largest)
    return smallest * (largest / smallest) ** rng.random()


def draw_place(shape, size, scale, rng):
    """(row, column) of a crop's centre, such that a layer of (H, W) pixels covers the crop upright where it can."""
    return [rng.uniform(min(side, scale * size) / 2, side - min(side, scale * size) / 2) for side in shape]


def draw_geometry(centre, size, scale, rng):
    """(2, 3) matrix from a sample's (x, y) to a layer's: turned, sheared, mirrored at random around (row, column)."""
    angle = rng.uniform(-TURN, TURN)
    mirror = rng.choice([-1, 1])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[mirror, rng.normal(0, SHEAR)], [0, 1]])
    middle = np.full(2, (size - 1) / 2)
    return np.column_stack([linear, np.array(centre[::-1], float) - linear @ middle])


def warp(pixels, geometry, size):
    """The (size, size) crop of a layer that draw_geometry describes; beyond its edges the layer is mirrored."""
    return cv2.warpAffine(pixels, geometry, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                          borderMode=cv2.BORDER_REFLECT_101)


def join(alpha, colours, other_alpha, other_colours):
    """One foreground in front of another -> alpha and colours of both: 1 - (1 - a1)(1 - a2), and what is seen of each.

    Where neither is, the colours are the front one's.
    """
    front, back = (matte.astype(np.float32) / 255 for matte in (alpha, other_alpha))
    joined = 1 - (1 - front) * (1 - back)
    share = np.where(joined > 0, front / np.maximum(joined, 1 / 255**2), 1)[:, :, None]
    return (np.rint(255 * joined).astype(np.uint8),
            np.rint(share * colours + (1 - share) * other_colours).astype(np.uint8))


def vary(pixels, rng, ways):
    """Colours after some of `ways`, rows of (probability, function of pixels and rng), in their order."""
    for probability, change in ways:
        if rng.random() < probability:
            pixels = change(pixels, rng)
    return pixels


def change_colours(pixels, rng):
    """Gamma, contrast and brightness of each channel, then hue and saturation."""
    values = np.linspace(0, 1, 256)[:, None]
    curve = values ** np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.05, 3))
    table = np.clip(255 * (0.5 + (curve - 0.5) * np.exp(rng.normal(0, 0.2)) + rng.normal(0, 0.05)), 0, 255)
    toned = cv2.LUT(pixels, np.rint(table).astype(np.uint8).reshape(256, 1, 3))
    return cv2.transform(toned, colour_matrix(hue=rng.normal(0, 0.3), saturation=rng.uniform(0.3, 1.5)))


def colour_matrix(hue, saturation):
    """(3, 3) that turns hues by `hue` radians and multiplies saturation, leaving greys as they are."""
    x, y, z = DIAGONAL
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.cos(hue) * np.eye(3) + np.sin(hue) * cross + (1 - np.cos(hue)) * np.outer(DIAGONAL, DIAGONAL)
    return (saturation * np.eye(3) + (1 - saturation) * GREY) @ turn


def add_noise(pixels, rng):
    """Nearly normal (triangular) noise of a standard deviation of up to 16 levels, small ones being likelier."""
    strength = 16 * rng.random() ** 2 / BYTE_DEVIATION / np.sqrt(2)
    for noise in rng.integers(256, size=(2, *pixels.shape), dtype=np.uint8):  # a tenth of the time of normal numbers
        pixels = cv2.addWeighted(noise, strength, pixels, 1, -127.5 * strength)
    return pixels


def blur(pixels, rng):
    """Out of focus by up to 5 pixels, the standard deviation of a Gaussian."""
    sigma = 0.3 + 4.7 * rng.random() ** 2
    return cv2.GaussianBlur(pixels, (0, 0), sigma)


def add_jpeg_traces(pixels, rng):
    """Written as a JPEG of quality 30 to 95 and read again."""
    quality = int(rng.integers(30, 96))
    file = simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling="420")
    return simplejpeg.decode_jpeg(file, colorspace="RGB")


def soften(alpha, colours, rng):
    """A foreground out of focus by up to 1.5 pixels."""
    sigma = 0.3 + 1.2 * rng.random() ** 2
    return tuple(cv2.GaussianBlur(layer, (0, 0), sigma) for layer in (alpha, colours))


OF_FOREGROUNDS = ((0.8, change_colours), (0.3, add_noise), (0.2, add_jpeg_traces))
OF_BACKGROUNDS = ((0.8, change_colours), (0.3, blur), (0.3, add_noise), (0.2, add_jpeg_traces))
