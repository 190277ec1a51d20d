"""Mattes for a user's photographs: alpha, cut-out with the object's own colours, composite over a background."""
import logging
import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ImageColor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from matting.compositing import composite
from matting.errors import UserError, listed, short_of_memory
from matting.foreground import estimate_foreground
from matting.images.listing import by_stem
from matting.images.reading import check_same_size, read_image, read_trimap
from matting.images.writing import write_png
from matting.inference import SMALLER, to_uint8
from matting.transforms import to_float

log = logging.getLogger(__name__)


class Pair(NamedTuple):
    """The two files that a matte is estimated from."""

    image: Path
    trimap: Path

    def read(self):
        """(H, W, 3) uint8 RGB and (H, W) uint8 trimap; raises UserError for an unusable file."""
        image, trimap = read_image(self.image), read_trimap(self.trimap)
        check_same_size(self.trimap, trimap, self.image, image)
        return image, trimap


def add_arguments(parser):
    """What the predicting programs take besides the keys of default_config.yaml."""
    parser.add_argument("image", metavar="IMAGE", help="photograph, or folder of photographs")
    parser.add_argument("trimap", metavar="TRIMAP", help="its trimap, or folder of trimaps of the same stems")
    parser.add_argument("-o", "--output", metavar="OUT", default="predictions", help="folder, made where missing; "
                        "for each image NAME_alpha.png, NAME_cutout.png, NAME_composite.png (default: %(default)s)")
    parser.add_argument("--background", metavar="COLOUR_OR_FILE", default="white",
                        help="what to compose over: white, '#00b140', 'rgb(0, 177, 64)', or an image, which is scaled "
                        "to cover (default: %(default)s)")


class Job(NamedTuple):
    """What a user asked for, every input file read once and found usable."""

    pairs: list
    background: np.ndarray  # (h, w, 3) uint8
    folder: Path

    @classmethod
    def of(cls, arguments):
        """From what add_arguments took; raises UserError for unusable files, naming all of them."""
        pairs = find_pairs(arguments.image, arguments.trimap)
        background = read_background(arguments.background)
        check_pairs(pairs)
        return cls(pairs, background, Path(arguments.output))


def predict(config, arguments, load_network):
    """The predicting programs: every file is checked before load_network(config) gives the Network that runs."""
    job = Job.of(arguments)
    run(job, load_network(config))


def run(job, network):
    """Write alpha, cut-out and composite of each pair by a Network."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with logging_redirect_tqdm():
        for pair in tqdm(job.pairs, disable=None, unit="image"):
            image, trimap = pair.read()
            with short_of_memory(f"{pair.image} of {image.shape[1]}x{image.shape[0]}", SMALLER):
                alpha = to_uint8(network.alpha(image, trimap))
                foreground, composed = cut_out(image, alpha, job.background)
            outputs = {"alpha": alpha, "cutout": np.dstack([foreground, alpha]), "composite": composed}
            for kind, pixels in outputs.items():
                write_png(job.folder / f"{pair.image.stem}_{kind}.png", pixels)
            log.info("%s: %s", job.folder, ", ".join(f"{pair.image.stem}_{kind}.png" for kind in outputs))


def cut_out(image, alpha, background):
    """(H, W, 3) image, (H, W) alpha, (h, w, 3) background -> the object's own colours, and its composite; all uint8."""
    opacity = to_float(alpha)
    foreground = estimate_foreground(to_float(image), opacity)
    background = to_float(scale_to_cover(background, *alpha.shape))
    return to_uint8(foreground), to_uint8(composite(foreground, background, opacity))


def find_pairs(image, trimap):
    """A photograph and its trimap, or two folders of them paired by stem -> [Pair]."""
    image, trimap = Path(image), Path(trimap)
    if image.is_dir() != trimap.is_dir():
        folder, other = (image, trimap) if image.is_dir() else (trimap, image)
        raise UserError(f"{folder} is a folder, but {other} is not; give two files or two folders")
    if not image.is_dir():
        return [Pair(image, trimap)]
    images, trimaps = by_stem(image), by_stem(trimap)
    for folder, stems, others in ((trimap, trimaps, images), (image, images, trimaps)):
        missing = sorted(set(others) - set(stems))
        if missing:
            raise UserError(f"{folder}: has no {listed(missing)}; images and trimaps are paired by their names "
                            "without suffix")
    return [Pair(path, trimaps[stem]) for stem, path in images.items()]


def check_pairs(pairs):
    """Read every file once; raises UserError naming all that are unusable, a line each."""
    problems = []
    for pair in tqdm(pairs, desc="checking", disable=None if len(pairs) > 1 else True, unit="image"):
        try:
            pair.read()
        except UserError as error:
            problems.append(str(error))
    if problems:
        raise UserError("\n".join(problems))


def read_background(text):
    """A colour's name or code, or an image file -> (h, w, 3) uint8 RGB; a colour is an image of one pixel."""
    if Path(text).is_file():
        return read_image(text)
    try:
        return np.uint8([[ImageColor.getrgb(text)[:3]]])
    except ValueError:
        raise UserError(f"--background {text}: neither a file nor a colour such as white, '#00b140' or "
                        "'rgb(0, 177, 64)'") from None


def scale_to_cover(picture, height, width):
    """The middle of (h, w, 3) uint8, as much as the new aspect ratio leaves, scaled to (height, width, 3)."""
    h, w = picture.shape[:2]
    scale = max(height / h, width / w)
    kept_h, kept_w = min(h, math.ceil(height / scale)), min(w, math.ceil(width / scale))
    top, left = (h - kept_h) // 2, (w - kept_w) // 2
    return cv2.resize(picture[top:top + kept_h, left:left + kept_w], (width, height),
                      interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
