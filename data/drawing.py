"""What drawn foregrounds are made of: planes and signed distances, surfaces, discs, strands, blur, reduction."""
import cv2
import numpy as np

from data.noise import random_colour, smooth_noise

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
    return unweighted(mixed, colours)


def surface(height, width, rng):
    """(H, W, 3) float32 in [0, 1]: a rough surface of two colours, in blotches, stripes or none of the second."""
    colour, other = random_colour(rng, (0, 0.9), (0.2, 1)), random_colour(rng, (0, 0.9), (0.15, 1))
    rough = rng.uniform(0.15, 0.6)
    light = 1 - rough / 2 + rough * (smooth_noise(height, width, rng, int(rng.integers(3, 40)))[:, :, None] - 0.5)
    pattern = rng.choice(["plain", "blotches", "stripes"])
    if pattern == "plain":
        return (light * colour).clip(0, 1)
    share = smooth_noise(height, width, rng, int(rng.integers(2, 12)))
    if pattern == "stripes":
        x, _ = plane(height, width, rng)
        share = np.sin(rng.uniform(8, 80) * (x + 0.1 * share)) / 2 + 0.5
    share = np.clip(rng.uniform(1, 8) * (share - 0.5) + 0.5, 0, 1)[:, :, None]
    return (light * (share * colour + (1 - share) * other)).clip(0, 1)


def blob(height, width, rng, parts=5, spread=0.45):
    """A random smooth body -> signed distance to its outline, (H, W) float32, in pixels, positive inside."""
    unit, coarse = min(height, width) / 2, 4  # the outline is smooth: found on a coarser grid
    rows, columns = np.mgrid[:height:coarse, :width:coarse].astype(np.float32)
    field = np.zeros_like(rows)
    for _ in range(parts):
        x, y = np.array([width, height]) / 2 + rng.uniform(-spread, spread, 2) * unit
        along, across = rng.uniform(0.2, 0.45, 2) * unit
        turn = rng.uniform(0, np.pi)
        u = np.cos(turn) * (columns - x) + np.sin(turn) * (rows - y)
        v = np.cos(turn) * (rows - y) - np.sin(turn) * (columns - x)
        field += np.exp(-((u / along) ** 2) - (v / across) ** 2)
    solid = (field > 0.5).astype(np.uint8)
    distance = (cv2.distanceTransform(solid, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - solid, cv2.DIST_L2, 5))
    return cv2.resize(cv2.GaussianBlur(distance, (0, 0), 2), (width, height)) * coarse


def grow(starts, headings, lengths, rng, curl=0.5, wave=0.0, pull=0.0, steps=14):
    """(N, steps, 2) paths of strands from (N, 2) pixels.

    headings: (N,) radians, at the roots. curl: standard deviation of the turn over a strand's length, in radians;
    wave: its swing; pull: how far it bends down (below 0: up) on its way, 1 wholly.
    """
    count, along = len(starts), np.linspace(0, 1, steps)
    turned = headings[:, None] + rng.normal(0, curl, (count, 1)) * along
    turned = turned + wave * np.sin(rng.uniform(4, 14) * along + rng.uniform(0, 6, (count, 1)))
    bend = np.clip(abs(pull) * along * rng.uniform(0.6, 1.4, (count, 1)), 0, 1)
    direction = np.stack([np.cos(turned) * (1 - bend), np.sin(turned) * (1 - bend) + np.sign(pull) * bend], axis=2)
    strides = direction * (lengths[:, None, None] / steps)
    return starts[:, None] + np.cumsum(strides, axis=1) - strides[:, :1]


def draw_strands(alpha, colours, paths, tones, thickness):
    """Draw tapering strands on uint8 canvases: (N, P, 2) paths, (N, 3) tones in 0..255, (N,) widths at the root."""
    third = paths.shape[1] // 3
    for path, tone, width in zip(fixed_point(paths), np.asarray(tones, float).tolist(), thickness, strict=True):
        for part, share in ((path[:third + 1], 1), (path[third:2 * third + 1], 0.75), (path[2 * third:], 0.5)):
            size = max(1, round(width * share))
            cv2.polylines(alpha, [part], False, 255, size, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.polylines(colours, [part], False, tone, size + 2, cv2.LINE_AA, SUBPIXEL_BITS)


def tones_of(colour, count, rng, variety=0.25):
    """(count, 3) shades of a colour in [0, 1], as values in 0..255."""
    light = rng.normal(1, variety, (count, 1)).clip(0.35, 1.7)
    return np.clip(255 * (colour * light + rng.normal(0, 0.04, (count, 3))), 0, 255)


def to_canvas(alpha, colours):
    """Float fields in [0, 1] -> uint8 copies that can be drawn on."""
    return np.rint(255 * alpha).astype(np.uint8), np.rint(255 * colours).astype(np.uint8)


def from_canvas(alpha, colours):
    """And back."""
    return alpha / np.float32(255), colours / np.float32(255)


def blurred(alpha, colours, blur):
    """`blur` both, colours weighted by alpha: blur takes and returns (H, W, 4)."""
    return unweighted(blur(np.dstack([alpha[:, :, None] * colours, alpha])), colours)


def unweighted(mixed, colours):
    """(H, W, 4) of alpha times colour and alpha -> both apart; where alpha is next to nothing, `colours`."""
    weight = mixed[:, :, 3:]
    visible = weight > 1e-3  # beyond, where it makes no difference, the colours stay sharp
    return mixed[:, :, 3].clip(0, 1), np.where(visible, mixed[:, :, :3] / np.maximum(weight, 1e-3), colours).clip(0, 1)


def disc(canvas, centre, radius, value):
    cv2.circle(canvas, fixed_point(centre).tolist(), int(fixed_point(radius)), np.array(value, float).tolist(),
               cv2.FILLED, _line_type(canvas), SUBPIXEL_BITS)


def strand(canvas, path, value, thickness):
    cv2.polylines(canvas, [fixed_point(path)], False, np.array(value, float).tolist(), thickness,
                  _line_type(canvas), SUBPIXEL_BITS)


def fixed_point(coordinates):
    return np.rint(np.multiply(coordinates, 2**SUBPIXEL_BITS)).astype(np.int32)


def _line_type(canvas):
    return cv2.LINE_AA if canvas.dtype == np.uint8 else cv2.LINE_8  # OpenCV smooths 8-bit lines only
