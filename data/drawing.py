"""What drawn foregrounds are made of: planes and signed distances, surfaces, discs, strands, blur, reduction."""
import cv2
import numpy as np

from data.noise import smooth_noise

SUPERSAMPLING = 3
SUBPIXEL_BITS = 4  # of the fixed-point coordinates OpenCV draws with


def reduce_by_area(alpha, colours):
    """Shrink float32 (H, W) alpha and (H, W, 3) colours by SUPERSAMPLING so that compositing before or after is equal.

    The mean of alpha F is not the mean of alpha times the mean of F: colours are weighted by alpha, and only where
    there is none averaged as they are.
    """
    size = (alpha.shape[1] // SUPERSAMPLING, alpha.shape[0] // SUPERSAMPLING)
    alpha, weighted, plain = (cv2.resize(field, size, interpolation=cv2.INTER_AREA)
                              for field in (alpha, alpha[:, :, None] * colours, colours))
    weight = alpha[:, :, None]
    return alpha, np.where(weight > 0, weighted / np.maximum(weight, np.finfo(np.float32).tiny), plain).clip(0, 1)


def plane(height, width, rng, upright=False):
    """(x, y) of every pixel, float32: 0 near the centre, +-1 at the ends of the shorter side, turned at random."""
    unit = min(height, width) / 2
    place_x, place_y = rng.uniform(-0.1, 0.1, 2)
    turn = rng.normal(0, 0.08) if upright else rng.uniform(0, 2 * np.pi)
    across = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / unit - place_x
    down = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / unit - place_y)[:, None]
    return (np.float32(np.cos(turn)) * across + np.float32(np.sin(turn)) * down,
            np.float32(np.cos(turn)) * down - np.float32(np.sin(turn)) * across)


def coverage(distance):
    """Coverage of the pixels where a signed distance, (H, W) in plane's unit, is positive."""
    return np.clip(distance * (min(distance.shape) / 2) + 0.5, 0, 1)


def textured(height, width, rng, colour, cells=8):
    """(H, W, 3): a colour with the lights and darks of a rough surface."""
    return ((0.65 + 0.6 * smooth_noise(height, width, rng, cells))[:, :, None] * colour).clip(0, 1)


def curve(knots, values, positions):
    """Smooth interpolation: half a cosine from each knot to the next."""
    fine = np.linspace(knots[0], knots[-1], 500)
    place = np.interp(fine, knots, np.arange(len(knots)))
    step = np.minimum(place.astype(int), len(knots) - 2)
    blend = (1 - np.cos(np.pi * (place - step))) / 2
    return np.interp(positions, fine, values[step] * (1 - blend) + values[step + 1] * blend).astype(np.float32)


def defocused(alpha, colours, blur, widest):
    """Blur by `blur`, (H, W, 1) in [0, 1], times `widest` pixels: between three copies, colours weighted by alpha."""
    sharp = np.dstack([alpha[:, :, None] * colours, alpha])
    windows = ((round(size), round(size)) for size in (widest / 3, widest))
    soft, softest = (cv2.blur(cv2.blur(sharp, window), window) for window in windows)
    mixed = sharp + np.clip(2 * blur, 0, 1) * (soft - sharp) + np.clip(2 * blur - 1, 0, 1) * (softest - soft)
    alpha, weight = mixed[:, :, 3].clip(0, 1), mixed[:, :, 3:]
    visible = weight > 1e-3  # beyond, where it makes no difference, the colours stay sharp
    return alpha, np.where(visible, mixed[:, :, :3] / np.maximum(weight, 1e-3), colours).clip(0, 1)


def disc(canvas, centre, radius, value):
    cv2.circle(canvas, _fixed_point(centre).tolist(), int(_fixed_point(radius)), np.array(value, float).tolist(),
               cv2.FILLED, _line_type(canvas), SUBPIXEL_BITS)


def strand(canvas, path, value, thickness):
    cv2.polylines(canvas, [_fixed_point(path)], False, np.array(value, float).tolist(), thickness,
                  _line_type(canvas), SUBPIXEL_BITS)


def _fixed_point(coordinates):
    return np.rint(np.multiply(coordinates, 2**SUBPIXEL_BITS)).astype(np.int32)


def _line_type(canvas):
    return cv2.LINE_AA if canvas.dtype == np.uint8 else cv2.LINE_8  # OpenCV smooths 8-bit lines only
