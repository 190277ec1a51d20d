"""Drawn foregrounds with many openings: meshes, baskets, wicker, spokes, leaves, twigs.

Each takes height, width and a generator -> float32 (H, W) alpha and (H, W, 3) colours in [0, 1], yet to be reduced.
"""
import cv2
import numpy as np

from data.drawing import (
    SUBPIXEL_BITS,
    blob,
    coverage,
    draw_strands,
    fixed_point,
    from_canvas,
    grow,
    plane,
    surface,
    textured,
    to_canvas,
    tones_of,
)
from data.noise import random_colour, smooth_noise


def mesh(height, width, rng):
    """A net or a wire fence, warped, within a frame or an outline."""
    unit = min(height, width) / 2
    x, y = plane(height, width, rng)
    bend = rng.uniform(0, 0.25) * (smooth_noise(height, width, rng, cells=2, octaves=3) - 0.5)
    sag = rng.uniform(0, 0.25) * (smooth_noise(height, width, rng, cells=2, octaves=3) - 0.5)
    slant, spacing = rng.uniform(0.6, 2), rng.uniform(0.04, 0.2)
    thickness = spacing * rng.uniform(0.03, 0.14)
    families = [(slant * (x + bend) + sign * (y + sag)) for sign in (-1, 1)]
    wires = thickness - np.minimum(*(np.abs(family % spacing - spacing / 2) / np.hypot(slant, 1)
                                     for family in families))
    outline = blob(height, width, rng, parts=4, spread=0.6) / unit
    border = rng.uniform(0.01, 0.05)
    solid = np.minimum(np.maximum(wires, border - np.abs(outline - border)), outline)
    relief = (0.7 + 0.5 * np.clip(wires / thickness, 0, 1))[:, :, None]
    return coverage(solid), (surface(height, width, rng) * relief).clip(0, 1)


def basket(height, width, rng):
    """A round basket of wire with rods in it, which show above and through its holes."""
    unit = min(height, width) / 2
    centre, half = width / 2 + rng.uniform(-0.15, 0.15) * unit, rng.uniform(0.35, 0.6) * unit
    top, bottom = height / 2 + np.array([rng.uniform(-0.2, 0.1), rng.uniform(0.6, 0.9)]) * unit
    alpha, colours = to_canvas(np.zeros((height, width), np.float32), surface(height, width, rng))
    for _ in range(rng.integers(0, 14)):
        foot, tip = centre + rng.uniform(-0.75, 0.75) * half, centre + rng.uniform(-1.2, 1.2) * half
        rod = np.array([[foot, bottom - 8], [tip, top - rng.uniform(0.1, 0.8) * unit]])
        _rod(alpha, colours, rod, random_colour(rng), rng.integers(12, 50))

    across, down = np.arange(width, dtype=np.float32) - centre, np.arange(height, dtype=np.float32)[:, None]
    taper = 1 + rng.uniform(-0.15, 0.25) * (bottom - down) / (bottom - top)
    side = across / (half * taper)
    angle = np.arcsin(side.clip(-1, 1))
    tilt = rng.uniform(0.03, 0.12) * half  # the basket is seen from above
    row = down - tilt * np.cos(angle)
    spacing, thickness = rng.uniform(18, 70), rng.uniform(1.5, 6)
    turns, twist = round(np.pi * half / spacing), rng.choice([0, 0, rng.uniform(0.5, 1)])

    def wires(row, angle, sign):
        upright = (angle * turns / np.pi + sign * twist * row / spacing) % 1 - 0.5
        flat = (row / spacing + sign * twist * angle * turns / np.pi) % 1 - 0.5
        foreshortened = np.abs(upright) * spacing * np.cos(angle)
        return thickness - np.minimum(foreshortened, np.abs(flat) * spacing)

    front, back = wires(row, angle, 1), wires(down + tilt * np.cos(angle), angle + 0.3, -1)
    within = np.minimum((1 - np.abs(side)) * half, np.minimum(row - top, bottom - row))
    rim = np.maximum(3 * thickness - np.abs(row - top), 3 * thickness - np.abs(row - bottom))
    rim = np.minimum(rim, (1.02 - np.abs(side)) * half)
    solid = np.maximum(np.minimum(np.maximum(front, back if rng.random() < 0.6 else front), within), rim)
    wire = np.clip(solid + 0.5, 0, 1)
    paint = surface(height, width, rng) * (0.6 + 0.4 * np.cos(angle))[:, :, None]
    shown = wire[:, :, None]
    alpha, colours = from_canvas(alpha, colours)
    visible = (alpha[:, :, None] > 0) & (shown <= 0)
    return 1 - (1 - alpha) * (1 - wire), np.where(visible, colours, shown * paint + (1 - shown) * np.where(
        alpha[:, :, None] > 0, colours, paint)).clip(0, 1)


def wicker(height, width, rng):
    """A ball, or a tangle, of bent canes that cross each other."""
    unit = min(height, width) / 2
    alpha, colours = to_canvas(np.zeros((height, width), np.float32), surface(height, width, rng))
    middle = np.array([width, height]) / 2 + rng.uniform(-0.1, 0.1, 2) * unit
    colour, size = random_colour(rng, (0.1, 0.8), (0.4, 1)), rng.uniform(0.5, 0.8) * unit
    thick = rng.uniform(8, 34)
    turns = np.linspace(0, 2 * np.pi, 80)
    for _ in range(rng.integers(12, 45)):
        wide, tilt = rng.uniform(0.1, 1), rng.uniform(0, np.pi)
        x, y = size * np.cos(turns), size * wide * np.sin(turns)
        ring = np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], axis=1)
        _rod(alpha, colours, middle + ring * rng.uniform(0.85, 1.05) + rng.uniform(-0.05, 0.05, 2) * unit,
             (colour * rng.uniform(0.5, 1.2)).clip(0, 1), thick * rng.uniform(0.5, 1.2))
    return from_canvas(alpha, colours)


def spokes(height, width, rng):
    """A wheel: tyre, rim, hub and thin spokes, seen at an angle."""
    x, y = plane(height, width, rng)
    y = y / rng.uniform(0.5, 1)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    reach = rng.uniform(0.6, 0.8)
    count, twist, thickness = rng.integers(6, 40), rng.uniform(0, 0.5), rng.uniform(0.003, 0.02)
    tyre = rng.uniform(0.03, 0.1) - np.abs(radius - reach)
    hub = rng.uniform(0.06, 0.15) - radius
    spoke = -np.ones_like(x)
    for sign in (-1, 1):
        turn = (angle + sign * twist * (1 - radius / reach)) * count / (2 * np.pi)
        spoke = np.maximum(spoke, thickness - np.abs(turn % 1 - 0.5) * 2 * np.pi * radius / count)
    solid = np.maximum(np.maximum(tyre, hub), np.minimum(spoke, reach - radius))
    metal = textured(height, width, rng, random_colour(rng, (0, 0.3), (0.4, 1)), cells=16)
    rubber = surface(height, width, rng) * 0.7
    return coverage(solid), np.where((np.maximum(tyre, hub) > -0.004)[:, :, None], rubber, metal).clip(0, 1)


def leaves(height, width, rng):
    """A plant: stems with many pointed leaves that overlap and leave gaps, sometimes in a pot."""
    unit = min(height, width) / 2
    alpha, colours = to_canvas(np.zeros((height, width), np.float32), surface(height, width, rng))
    foot = np.array([width / 2 + rng.uniform(-0.3, 0.3) * unit, height / 2 + rng.uniform(0.5, 0.9) * unit])
    stems = rng.integers(3, 25)
    headings = -np.pi / 2 + rng.normal(0, rng.uniform(0.3, 0.9), stems)
    feet, lengths = np.repeat(foot[None], stems, 0), unit * rng.uniform(0.6, 1.7, stems)
    paths = grow(feet, headings, lengths, rng, curl=0.6, steps=20)
    if rng.random() < 0.4:
        _pot(alpha, colours, foot, rng.uniform(0.2, 0.35) * unit, random_colour(rng), height)
    green = random_colour(rng, (0.3, 0.9), (0.25, 0.9))
    draw_strands(alpha, colours, paths, tones_of(green * 0.7, stems, rng), rng.integers(4, 16, stems))
    size, slim = rng.uniform(0.06, 0.35) * unit, rng.uniform(0.1, 0.4)
    for _ in range(rng.integers(60, 320)):
        path = paths[rng.integers(stems)]
        at = rng.integers(4, len(path) - 1)
        towards = np.arctan2(*(path[at + 1] - path[at])[::-1]) + rng.choice([-1, 1]) * rng.uniform(0.2, 1.3)
        _leaf(alpha, colours, path[at], towards, size * rng.uniform(0.4, 1.2), slim * rng.uniform(0.6, 1.3),
              (green * rng.uniform(0.5, 1.35) + rng.normal(0, 0.04, 3)).clip(0, 1), rng)
    return from_canvas(alpha, colours)


def twigs(height, width, rng):
    """A bare branch that forks again and again, ever thinner."""
    unit = min(height, width) / 2
    alpha, colours = to_canvas(np.zeros((height, width), np.float32), surface(height, width, rng))
    bark = random_colour(rng, (0.1, 0.6), (0.2, 0.8))
    heading = rng.uniform(0, 2 * np.pi)
    starts = np.array([width, height])[None] / 2 - 0.9 * unit * np.array([[np.cos(heading), np.sin(heading)]])
    headings, length, thickness = np.array([heading]), rng.uniform(0.5, 0.8) * unit, rng.uniform(14, 40)
    forks, angle = rng.integers(3, 6), rng.uniform(0.4, 0.9)
    for _ in range(rng.integers(4, 6)):
        count = len(starts)
        paths = grow(starts, headings, length * rng.uniform(0.6, 1.2, count), rng, curl=0.5, wave=0.15, steps=12)
        draw_strands(alpha, colours, paths, tones_of(bark, count, rng), np.full(count, thickness))
        chosen = rng.integers(4, 12, (count, forks))
        starts = np.take_along_axis(paths, chosen[:, :, None], axis=1).reshape(-1, 2)[:700]
        ends = np.arctan2(paths[:, -1, 1] - paths[:, -4, 1], paths[:, -1, 0] - paths[:, -4, 0])
        headings = (np.repeat(ends, forks) + angle * rng.normal(0, 1, count * forks))[:700]
        length, thickness = 0.62 * length, max(1.0, 0.55 * thickness)
    return from_canvas(alpha, colours)


def _rod(alpha, colours, path, colour, thickness):
    """A round rod: light along its middle, dark at its sides."""
    points = [fixed_point(path)]
    cv2.polylines(alpha, points, False, 255, round(thickness), cv2.LINE_AA, SUBPIXEL_BITS)
    for share, light in ((1.1, 0.45), (0.8, 0.75), (0.5, 1), (0.2, 1.25)):
        tone = np.clip(255 * colour * light, 0, 255).tolist()
        cv2.polylines(colours, points, False, tone, max(1, round(thickness * share)), cv2.LINE_AA, SUBPIXEL_BITS)


def _leaf(alpha, colours, root, heading, length, slim, colour, rng):
    """A pointed leaf with a lighter vein, lit on one half."""
    along = np.linspace(0, 1, 12)
    half = slim * length * np.sin(np.pi * along ** 0.8) / 2
    bend = rng.normal(0, 0.25) * along**2 * length
    turn = np.array([[np.cos(heading), np.sin(heading)], [-np.sin(heading), np.cos(heading)]])
    vein, left, right = (root + np.stack([along * length, bend + side * half], axis=1) @ turn for side in (0, 1, -1))
    cv2.fillPoly(alpha, [fixed_point(np.concatenate([left, right[::-1]]))], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    cv2.polylines(colours, [fixed_point(np.concatenate([left, right[::-1]]))], True, (255 * colour * 0.8).tolist(), 3,
                  cv2.LINE_AA, SUBPIXEL_BITS)
    for edge, light in ((left, 1.0), (right, 0.8)):
        cv2.fillPoly(colours, [fixed_point(np.concatenate([vein, edge[::-1]]))], (255 * colour * light).tolist(),
                     cv2.LINE_AA, SUBPIXEL_BITS)
    cv2.polylines(colours, [fixed_point(vein)], False, np.clip(255 * colour * 1.3, 0, 255).tolist(), 2, cv2.LINE_AA,
                  SUBPIXEL_BITS)


def _pot(alpha, colours, foot, half, colour, height):
    x, y = foot
    rim, base = y - 0.2 * half, 0.7 * half
    outline = [(x - half, rim), (x + half, rim), (x + base, height), (x - base, height)]
    cv2.fillPoly(alpha, [fixed_point(outline)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    for share in np.linspace(1, 0.1, 10):
        shade = [(x + (place - x) * share, down) for place, down in outline]
        cv2.fillPoly(colours, [fixed_point(shade)], (255 * colour * (1.05 - 0.6 * share)).clip(0, 255).tolist(),
                     cv2.LINE_AA, SUBPIXEL_BITS)
