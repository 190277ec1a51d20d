"""Drawn foregrounds made of strands: fur on bodies, long hair, fringes, feathers.

Each takes height, width and a generator -> float32 (H, W) alpha and (H, W, 3) colours in [0, 1], yet to be reduced.
"""
import cv2
import numpy as np

from data.drawing import blob, disc, draw_strands, from_canvas, grow, surface, textured, to_canvas, tones_of
from data.noise import random_colour


def fur(height, width, rng):
    """A body under short fur, combed one way, that stands out along its outline."""
    unit = min(height, width) / 2
    distance = blob(height, width, rng, parts=rng.integers(3, 8))
    length = rng.uniform(0.06, 0.2) * unit
    alpha, colours = to_canvas(np.clip(distance - 0.5 * length, 0, 1), surface(height, width, rng))

    everywhere = _places(distance > 0.4 * length, rng.integers(1500, 3000), rng)
    outline = _places(np.abs(distance - 0.6 * length) < 0.3 * length, rng.integers(2500, 5000), rng)
    starts = np.concatenate([everywhere, outline])
    slope_x, slope_y = (cv2.Sobel(distance, cv2.CV_32F, *order)[starts[:, 1], starts[:, 0]]
                        for order in ((1, 0), (0, 1)))
    outwards, combed, strength = np.arctan2(-slope_y, -slope_x), rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.9)
    headings = np.arctan2(np.sin(outwards) + strength * np.sin(combed), np.cos(outwards) + strength * np.cos(combed))
    paths = grow(starts, headings + rng.normal(0, 0.25, len(starts)), length * rng.uniform(0.4, 1.3, len(starts)), rng,
                 curl=rng.uniform(0.2, 1.2), steps=9)
    own = colours[starts[:, 1], starts[:, 0]] / 255
    draw_strands(alpha, colours, paths, tones_of(own, len(starts), rng), rng.integers(1, 5, len(starts)))
    return from_canvas(alpha, colours)


def long_hair(height, width, rng):
    """A head and shoulders with long strands that fall, or stand up, and some that fly away."""
    unit = min(height, width) / 2
    head = np.array([width / 2, height / 2]) + rng.uniform(-0.15, 0.15, 2) * unit - [0, 0.15 * unit]
    radius = rng.uniform(0.28, 0.42) * unit
    alpha, colours = to_canvas(np.zeros((height, width), np.float32), surface(height, width, rng))
    _shoulders(alpha, head, radius, rng)
    disc(alpha, head, radius, 255)

    count, standing = rng.integers(2000, 4000), rng.random() < 0.3
    angles = rng.uniform(-np.pi, 0, count) + rng.normal(0, 0.3, count)
    starts = head + radius * np.sqrt(rng.uniform(0.3, 1, count))[:, None] * np.stack(
        [np.cos(angles), np.sin(angles)], axis=1)
    lengths = rng.uniform(0.5, 1.5) * unit * rng.uniform(0.5, 1.1, count)
    flying = rng.random(count) < rng.uniform(0.02, 0.2)
    pull = rng.uniform(-0.7, -0.2) if standing else rng.uniform(0.6, 1.5)
    paths = grow(starts, angles, lengths, rng, curl=rng.uniform(0.2, 0.9), wave=rng.uniform(0, 0.7), pull=pull)
    astray = grow(starts, angles, lengths, rng, curl=1.3, wave=0.4, pull=pull / 3)
    paths = np.where(flying[:, None, None], astray, paths)
    thickness = np.where(flying, rng.integers(1, 3, count), rng.integers(1, 5, count))
    draw_strands(alpha, colours, paths, tones_of(random_colour(rng, (0.1, 0.9), (0.15, 0.95)), count, rng), thickness)
    if rng.random() < 0.7:
        face = 255 * textured(height, width, rng, random_colour(rng, (0.2, 0.5), (0.4, 0.95)))
        front = np.zeros((height, width), np.uint8)
        cv2.ellipse(front, head.astype(int).tolist(), (int(0.6 * radius), int(0.8 * radius)), 0, 0, 360, 255,
                    cv2.FILLED, cv2.LINE_AA)
        front = cv2.GaussianBlur(front, (0, 0), 4)[:, :, None] / np.float32(255)
        colours = colours * (1 - front) + face * front
    return from_canvas(alpha, colours)


def fringe(height, width, rng):
    """A woven cloth that ends in tassels, each a bundle of threads."""
    unit = min(height, width) / 2
    left, right = width / 2 + np.array([-1, 1]) * rng.uniform(0.5, 1.1, 2) * unit
    top, hem = height / 2 + np.array([rng.uniform(-1, -0.5), rng.uniform(-0.2, 0.3)]) * unit
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    hem_line = hem + rng.uniform(0, 0.06) * unit * np.sin(across / unit * rng.uniform(2, 8))
    cloth = np.minimum(np.minimum(across - left, right - across), np.minimum(down - top, hem_line - down))
    period = rng.uniform(6, 20)
    weave = 0.85 + 0.15 * np.sin(across * 2 * np.pi / period) * np.sin(down * 2 * np.pi / period)
    alpha, colours = to_canvas(np.clip(cloth, 0, 1), surface(height, width, rng) * weave[:, :, None])

    tassels, threads = rng.integers(10, 40), rng.integers(12, 60)
    roots = np.repeat(np.linspace(max(left, 0), min(right, width - 1), tassels), threads)
    starts = np.stack([roots + rng.normal(0, rng.uniform(2, 10), len(roots)),
                       hem_line[roots.astype(int).clip(0, width - 1)] - 4], axis=1)
    lean = np.repeat(rng.normal(0, 0.15, tassels), threads)
    lengths = rng.uniform(0.3, 0.9) * unit * rng.uniform(0.7, 1.1, len(roots))
    paths = grow(starts, np.pi / 2 + lean + rng.normal(0, rng.uniform(0.03, 0.25), len(roots)), lengths, rng,
                 curl=rng.uniform(0.1, 0.7), wave=rng.uniform(0, 0.4), pull=rng.uniform(0, 0.5))
    shade = rng.choice([0, 1])  # threads in the cloth's colours, or in one of their own
    own = colours[starts[:, 1].astype(int).clip(0, height - 1), starts[:, 0].astype(int).clip(0, width - 1)] / 255
    tones = tones_of(shade * own + (1 - shade) * random_colour(rng), len(roots), rng, variety=0.2)
    draw_strands(alpha, colours, paths, tones, rng.integers(1, 6, len(roots)))
    return _turned(*from_canvas(alpha, colours), rng.normal(0, 0.2) + np.pi * (rng.random() < 0.2))


def feather(height, width, rng):
    """One to four feathers: bent shafts with barbs that part here and there, and down at their roots."""
    unit = min(height, width) / 2
    alpha, colours = to_canvas(np.zeros((height, width), np.float32), surface(height, width, rng))
    for _ in range(rng.integers(1, 5)):
        length, heading = rng.uniform(1.1, 1.8) * unit, rng.uniform(0, 2 * np.pi)
        root = np.array([width, height]) / 2 - length / 2 * np.array([np.cos(heading), np.sin(heading)])
        root = root + rng.uniform(-0.3, 0.3, 2) * unit
        shaft = grow(root[None], np.array([heading]), np.array([length]), rng, curl=0.7, steps=60)[0]
        count = rng.integers(500, 900)
        place = np.sort(rng.uniform(0.04, 0.99, count))
        at = np.minimum((place * 59).astype(int), 58)
        starts = shaft[at] + (shaft[at + 1] - shaft[at]) * (place * 59 - at)[:, None]
        side = rng.choice([-1, 1], count)
        forward = np.arctan2(*(shaft[at + 1] - shaft[at]).T[::-1])
        parted = 0.12 * np.sin(place * rng.uniform(20, 60) + side)  # barbs keep together in locks
        downy = place < rng.uniform(0.1, 0.3)
        headings = forward + side * (rng.uniform(0.5, 0.8) + parted) + np.where(downy, rng.normal(0, 0.8, count), 0)
        reach = rng.uniform(0.12, 0.28) * unit * np.sin(np.pi * np.clip(place, 0, 1) ** 0.7) ** 0.6
        paths = grow(starts, headings, reach * rng.uniform(0.85, 1.05, count), rng, curl=0.15, steps=9)
        soft = grow(starts, headings, reach * 0.7, rng, curl=1.5, wave=0.5, steps=9)
        paths = np.where(downy[:, None, None], soft, paths)
        bars = 0.75 + 0.25 * np.sin(place * rng.uniform(5, 40))[:, None]
        tones = tones_of(random_colour(rng, (0, 0.8), (0.3, 1)) * bars, count, rng, variety=0.1)
        draw_strands(alpha, colours, paths, tones, np.where(downy, 1, rng.integers(2, 5, count)))
        draw_strands(alpha, colours, shaft[None], tones_of(random_colour(rng, (0, 0.4), (0.6, 1)), 1, rng), [7])
    return from_canvas(alpha, colours)


def _places(region, count, rng):
    """(count, 2) pixels (x, y) drawn from a region."""
    rows, columns = np.nonzero(region)
    chosen = rng.integers(len(rows), size=count)
    return np.stack([columns[chosen], rows[chosen]], axis=1)


def _shoulders(alpha, head, radius, rng):
    neck, wide = rng.uniform(0.35, 0.5) * radius, rng.uniform(1.6, 2.6) * radius
    x, y = head
    outline = [(x - neck, y), (x - neck, y + 1.3 * radius), (x - wide, y + 1.9 * radius), (x - wide, y + 9 * radius),
               (x + wide, y + 9 * radius), (x + wide, y + 1.9 * radius), (x + neck, y + 1.3 * radius), (x + neck, y)]
    cv2.fillPoly(alpha, [np.rint(outline).astype(np.int32)], 255, cv2.LINE_AA)


def _turned(alpha, colours, angle):
    """Both turned around the centre; colours continue beyond the edge."""
    height, width = alpha.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), np.degrees(angle), 1)
    return (cv2.warpAffine(alpha, turn, (width, height)),
            cv2.warpAffine(colours, turn, (width, height), borderMode=cv2.BORDER_REFLECT))
