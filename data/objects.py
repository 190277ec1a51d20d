"""Drawn foregrounds, one kind for each way in which objects let a background through, with exact alpha.

Every kind is drawn SUPERSAMPLING times as large and reduced by area, so that alpha is the share of a pixel that the
object covers, times its opacity.
"""
import cv2
import numpy as np

from data.drawing import (
    SUPERSAMPLING,
    blurred,
    coverage,
    curve,
    defocused,
    disc,
    plane,
    reduce_by_area,
    strand,
    textured,
)
from data.noise import random_colour, smooth_noise
from data.openwork import basket, leaves, mesh, spokes, twigs, wicker
from data.strands import feather, fringe, fur, long_hair
from data.vague import motion, smoke, solid

LENS = (0.2, 0.9)  # range of the blur of a photographed edge, in pixels: a Gaussian's standard deviation


def draw_object(kind, height, width, rng):
    """A foreground of a kind in KINDS or MORE_KINDS, both uint8: (H, W) alpha and (H, W, 3) RGB, defined everywhere.

    Those of MORE_KINDS are as blurred as what a lens shows in focus.
    """
    alpha, colours = reduce_by_area(*KIND_SETS["all"][kind](height * SUPERSAMPLING, width * SUPERSAMPLING, rng))
    if kind in MORE_KINDS:
        sigma = rng.uniform(*LENS)
        alpha, colours = blurred(alpha, colours, lambda layers: cv2.GaussianBlur(layers, (0, 0), sigma))
    return np.rint(255 * alpha).astype(np.uint8), np.rint(255 * colours).astype(np.uint8)


def hair(height, width, rng):
    """A furry ball: thousands of tapering, curling strands."""
    unit = min(height, width) / 2
    centre = np.array([width, height]) / 2 + rng.uniform(-0.12, 0.12, 2) * unit
    radius = rng.uniform(0.34, 0.44) * unit
    colour, tips = random_colour(rng), random_colour(rng, value=(0.7, 1))
    colours = textured(height, width, rng, 0.6 * colour)
    alpha = np.zeros((height, width), np.uint8)
    disc(alpha, centre, radius, 255)

    curl, length = rng.uniform(0.4, 2), rng.uniform(0.5, 0.95) * unit
    starts = np.sort(rng.random(rng.integers(1800, 2600)))[::-1] ** 0.5 * radius  # the innermost lie on top
    steps = np.linspace(0, 1, 12)
    for start in starts:
        angle = rng.uniform(0, 2 * np.pi)
        heading = angle + rng.normal(0, 0.3) + rng.normal(0, curl) * steps
        stride = length * rng.uniform(0.2, 1) * (0.25 + 0.75 * start / radius) / len(steps)
        path = np.cumsum(stride * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
        path += centre + start * np.array([np.cos(angle), np.sin(angle)])
        thickness = rng.integers(2, 6)
        for part, share in ((path[:5], 1), (path[4:9], 0.7), (path[8:], 0.4)):
            tone = (colour + (tips - colour) * (1 - share)) * rng.uniform(0.6, 1.2)
            strand(alpha, part, 255, max(1, round(share * thickness)))
            strand(colours, part, tone, max(1, round(share * thickness)) + 2)
    _draw_eyes(colours, centre, radius)
    return alpha / np.float32(255), colours


def defocus(height, width, rng):
    """A flower that lies half out of the depth of field."""
    x, y = plane(height, width, rng)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    petals = rng.integers(5, 10)
    reach = rng.uniform(0.55, 0.75) * (0.45 + 0.55 * np.abs(np.cos(petals * angle / 2)) ** 0.6)
    heart = rng.uniform(0.14, 0.2)
    alpha = coverage(reach - radius)

    shade = 0.55 + 0.5 * radius / 0.75 + 0.12 * np.cos(8 * petals * angle)
    colours = textured(height, width, rng, random_colour(rng)) * shade[:, :, None]
    middle = textured(height, width, rng, random_colour(rng, value=(0.5, 0.9)), cells=64)
    colours = np.where((radius < heart)[:, :, None], middle, colours).clip(0, 1)

    direction = rng.uniform(0, 2 * np.pi)
    blur = np.clip(0.2 + x * np.cos(direction) + y * np.sin(direction), 0, 1)[:, :, None]
    return defocused(alpha, colours, blur, widest=rng.uniform(0.1, 0.2) * min(height, width))


def glass(height, width, rng):
    """A vase of tinted glass: thin in the middle, dense at its sides, rim and foot, with reflections."""
    x, y = plane(height, width, rng, upright=True)
    ends, knots = 0.8, rng.uniform(0.18, 0.5, 5)
    profile = curve(np.linspace(-ends, ends, 5), knots, y)
    across = x / profile
    rim, foot = np.hypot(x / knots[0], (y + ends) / 0.07), np.hypot(x / knots[-1], (y - ends) / 0.07)
    body = np.minimum(profile - np.abs(x), ends - np.abs(y))
    solid = np.maximum(body, 0.07 * (1 - np.minimum(rim, foot)))

    density = rng.uniform(0.12, 0.3) + rng.uniform(0.4, 0.6) * np.clip(np.abs(across), 0, 1) ** 5
    density += 0.45 * np.exp(-(((rim - 0.95) / 0.06) ** 2)) + 0.4 * np.clip(1.2 - foot, 0, 1)
    reflections = sum(strength * np.exp(-(((across - place) / spread) ** 2)) for place, spread, strength in
                      ((rng.uniform(-0.7, -0.4), 0.07, 0.9), (rng.uniform(0.4, 0.7), 0.04, 0.6)))
    reflections = reflections * np.clip(1.3 - np.abs(y) / 0.55, 0, 1)
    alpha = np.clip(density + reflections, 0, 1)

    tint = textured(height, width, rng, random_colour(rng, saturation=(0.2, 0.7), value=(0.5, 0.9)))
    share = (reflections / alpha)[:, :, None].clip(0, 1)
    return alpha * coverage(solid), tint * (1 - share) + share


def veil(height, width, rng):
    """A hanging translucent cloth in folds."""
    x, y = plane(height, width, rng, upright=True)
    sway = 0.25 * (smooth_noise(height, width, rng, cells=2, octaves=2) - 0.5)
    folds = 0.5 + 0.5 * np.sin(rng.uniform(14, 24) * (x + sway * (y + 1)) + rng.uniform(0, 6))
    weave = 0.5 + 0.5 * np.sin(260 * x) * np.sin(260 * y)
    thin, thick = rng.uniform(0.2, 0.35), rng.uniform(0.75, 0.95)
    alpha = thin + (thick - thin) * folds ** rng.uniform(1.5, 3) - 0.08 * weave
    hem = 0.72 + 0.06 * np.sin(9 * x + 20 * sway)
    inside = np.minimum(0.62 + sway - np.abs(x), np.minimum(hem - y, y + 0.8))
    alpha = np.clip(alpha, 0, 1) * coverage(inside)
    rod = coverage(0.035 - np.hypot(np.maximum(np.abs(x) - 0.75, 0), y + 0.8))

    cloth = textured(height, width, rng, random_colour(rng, saturation=(0.05, 0.4), value=(0.8, 1)))
    cloth = cloth * (0.75 + 0.25 * folds)[:, :, None]
    wood = textured(height, width, rng, np.array([0.45, 0.3, 0.18], np.float32), cells=12)
    colours = np.where(rod[:, :, None] > 0, wood, cloth)
    return np.maximum(alpha, rod), colours.clip(0, 1)


def net(height, width, rng):
    """A racket: an opaque frame around thin strings."""
    x, y = plane(height, width, rng)
    y = y + 0.25
    ring = np.hypot(x / 0.85, y)
    frame = 0.045 - np.abs(ring - 0.55)
    handle = np.minimum(0.05 - np.abs(x), np.minimum(y - 0.55, 1.1 - y))
    spacing, thickness = rng.uniform(0.045, 0.07), rng.uniform(0.003, 0.005)
    warp = 0.03 * (smooth_noise(height, width, rng, cells=2, octaves=2) - 0.5)
    strings = thickness - np.minimum(*(np.abs((along + warp) % spacing - spacing / 2) for along in (x, y)))
    strings = np.minimum(strings, 0.55 - ring)
    solid = np.maximum(frame, handle)

    colours = textured(height, width, rng, random_colour(rng, saturation=(0, 0.4), value=(0.8, 1)), cells=32)
    paint = textured(height, width, rng, random_colour(rng))
    paint = paint * (0.6 + 0.5 * np.clip(solid / 0.045, 0, 1))[:, :, None]
    colours = np.where((solid > -0.004)[:, :, None], paint, colours)
    return coverage(np.maximum(solid, strings)), colours.clip(0, 1)


def lace(height, width, rng):
    """A crocheted doily: rings of holes, bridged by threads, and a scalloped rim."""
    x, y = plane(height, width, rng)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    points = 2 * rng.integers(7, 12)
    rings, rim = rng.uniform(0.095, 0.12), rng.uniform(0.72, 0.82)
    cloth = rim * (1 + 0.05 * np.abs(np.cos(points * angle / 2))) - radius
    ring = np.floor(radius / rings)
    sectors = np.maximum(points * np.round(ring / 2), 6)
    turn = (angle / (2 * np.pi) * sectors + ring % 2 / 2) % 1 - 0.5
    sideways, outwards = turn * 2 * np.pi * radius / sectors, radius % rings - rings / 2
    hole = rng.uniform(0.34, 0.4) * rings - np.hypot(sideways, outwards)
    thread = 0.006 - np.minimum(np.abs(sideways), np.abs(outwards))
    solid = np.minimum(cloth, np.maximum(-hole, thread))

    weave = 0.85 + 0.15 * np.sin(400 * x) * np.sin(400 * y)
    colours = textured(height, width, rng, random_colour(rng, saturation=(0, 0.5), value=(0.8, 1)), cells=24)
    return coverage(solid), (colours * weave[:, :, None]).clip(0, 1)


KINDS = {"hair": hair, "defocus": defocus, "glass": glass, "veil": veil, "net": net, "lace": lace}
MORE_KINDS = {"fur": fur, "longhair": long_hair, "fringe": fringe, "feather": feather, "mesh": mesh, "basket": basket,
              "wicker": wicker, "spokes": spokes, "leaves": leaves, "twigs": twigs, "smoke": smoke, "motion": motion,
              "solid": solid}
KIND_SETS = {"demo": KINDS, "more": MORE_KINDS, "all": {**KINDS, **MORE_KINDS}}


def _draw_eyes(colours, centre, radius):
    for side in (-1, 1):
        eye = centre + radius * np.array([0.35 * side, -0.2])
        for size, offset, colour in ((0.24, 0, (0.98, 0.97, 0.93)), (0.13, 0.03, (0.08, 0.07, 0.1)),
                                     (0.045, -0.03, (1, 1, 1))):
            disc(colours, eye + radius * offset, radius * size, colour)
