"""What --estimate_foreground is for, in a picture and in figures: `python -m benchmarks.halo`, into docs/halo.png.

A drawn object is photographed before a bright background and composed over a dark one: as it is, with the bright halo
of its old background in every soft pixel; with estimated foreground colours; and with the colours it was drawn in.
"""
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.extent import read_extent
from data.objects import KINDS, draw_object
from matting.compositing import composite_uint8
from matting.foreground import estimate_foreground
from matting.images.writing import write_png
from matting.inference import to_uint8

ROOT = Path(__file__).resolve().parent.parent
BRIGHT, DARK = (236, 240, 247), (24, 32, 40)
PICTURED = ("hair", "veil")
SEED = 3


class Extent(NamedTuple):
    size: tuple  # of the objects, (height, width)
    picture: Path


FULL, QUICK = Extent((360, 360), ROOT / "docs/halo.png"), Extent((60, 60), ROOT / "build/benchmarks/halo.png")


def panels(kind, size, rng):
    """{title: (H, W, 3) uint8} for one object, and its (H, W) uint8 alpha."""
    alpha, colours = draw_object(kind, *size, rng)
    bright, dark = (np.broadcast_to(np.uint8(colour), colours.shape) for colour in (BRIGHT, DARK))
    photograph = composite_uint8(colours, bright, alpha)
    estimated = to_uint8(estimate_foreground(photograph / np.float32(255), alpha / np.float32(255)))
    layers = {"as it is": photograph, "with --estimate_foreground": estimated, "true colours": colours}
    composites = {title: composite_uint8(layer, dark, alpha) for title, layer in layers.items()}
    return {"photograph": photograph, **composites}, alpha


def main(argv=None):
    size, picture = read_extent("benchmarks.halo", __doc__, FULL, QUICK, argv)
    print(f"Mean error in soft pixels of composites over a dark background, grey levels; {size[1]}x{size[0]} objects\n")
    print("| object | as it is | with --estimate_foreground |\n|---|---|---|")
    pictures = []
    for kind in KINDS:
        shown, alpha = panels(kind, size, np.random.default_rng(SEED))
        soft = (alpha > 0) & (alpha < 255)
        truth = shown["true colours"][soft].astype(np.float32)
        as_it_is, estimated = (np.abs(shown[title][soft] - truth).mean()
                               for title in ("as it is", "with --estimate_foreground"))
        print(f"| {kind} | {as_it_is:.1f} | {estimated:.1f} |")
        if kind in PICTURED:
            pictures.append(np.hstack(list(shown.values())))
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_png(picture, np.vstack(pictures))


if __name__ == "__main__":
    main()
