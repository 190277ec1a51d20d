"""What is written of a matte: alpha, cut-out with the object's own colours, composite over a background."""
import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ImageColor

from matting.compositing import compose_over
from matting.errors import UserError
from matting.foreground import object_colours
from matting.images.photo import Photo, flatten, read_photo
from matting.images.profiles import convert
from matting.images.writing import write_png, write_webp

DEPTHS = {8: np.uint8, 16: np.uint16}
FORMATS = ("png", "webp")


class Results(NamedTuple):
    """Where and how results are written."""

    folder: Path
    background: Photo
    file_format: str = "png"
    depth: int = 8

    def names(self, name):
        """The files of a photograph, by what they hold; a name may start with sub-folders."""
        return {"alpha": f"{name}_alpha.png",
                **{kind: f"{name}_{kind}.{self.file_format}" for kind in ("cutout", "composite")}}

    def are_there(self, name):
        """Whether all files of a photograph have been written."""
        return all((self.folder / path).exists() for path in self.names(name).values())

    def write(self, name, photo, alpha):
        """Write NAME_alpha.png, NAME_cutout and NAME_composite of a (H, W) float32 alpha -> their names."""
        dtype = DEPTHS[self.depth]
        alpha = to_levels(alpha, dtype)
        colours = object_colours(photo.image if dtype == np.uint8 else to_deep(photo.pixels), alpha)
        composed = compose_over(colours, self._behind(photo, dtype, *alpha.shape), alpha)
        pictures = {"cutout": np.dstack([colours, alpha]), "composite": composed}
        names = self.names(name)
        (self.folder / names["alpha"]).parent.mkdir(parents=True, exist_ok=True)
        write_png(self.folder / names["alpha"], alpha)
        for kind, pixels in pictures.items():
            path = self.folder / names[kind]
            if self.file_format == "webp":
                write_webp(path, pixels, photo.profile)
            else:
                write_png(path, pixels, profile=photo.profile)
        return list(names.values())

    def _behind(self, photo, dtype, height, width):
        """The background in the photograph's colours, covering it."""
        pixels = convert(self.background.image, self.background.profile, photo.profile)
        pixels = scale_to_cover(pixels, height, width)
        return pixels if dtype == np.uint8 else to_deep(pixels)


def add_arguments(parser):
    """What the predicting programs take about their results."""
    parser.add_argument("-o", "--output", metavar="OUT", default="predictions", help="folder, made where missing; "
                        "for each image NAME_alpha.png, NAME_cutout.png, NAME_composite.png (default: %(default)s)")
    parser.add_argument("--background", metavar="COLOUR_OR_FILE", default="white",
                        help="what to compose over: white, '#00b140', 'rgb(0, 177, 64)', or an image, which is scaled "
                        "to cover (default: %(default)s)")
    parser.add_argument("--format", choices=FORMATS, default="png", help="of cut-out and composite; webp is smaller "
                        "and not quite lossless (default: %(default)s)")
    parser.add_argument("--depth", type=int, choices=tuple(DEPTHS), default=8, help="bits a channel; 16 keeps a "
                        "photograph's that has so many (default: %(default)s)")


def read_arguments(arguments):
    """From what add_arguments took -> Results; raises UserError for an unusable background and for 16 bits in WebP."""
    if arguments.format == "webp" and arguments.depth > 8:
        raise UserError("--depth 16: WebP holds 8 bits a channel; choose --format png")
    return Results(Path(arguments.output), read_background(arguments.background), arguments.format, arguments.depth)


def read_background(text):
    """A colour's name or code, or an image file -> Photo; raises UserError for any other text."""
    if Path(text).is_file():
        photo = read_photo(text)
        return photo if photo.opacity is None else Photo(flatten(photo.pixels, photo.opacity), None, photo.profile)
    return read_colour(text)


def read_colour(text):
    """A colour's name or code -> Photo of one pixel, in sRGB; raises UserError for any other text."""
    try:
        return Photo(np.uint8([[ImageColor.getrgb(text)[:3]]]), None, None)
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


def to_levels(alpha, dtype):
    """Float in [0, 1] -> unsigned integers of the type, rounded."""
    return np.rint(np.float32(np.iinfo(dtype).max) * alpha).astype(dtype)


def to_deep(pixels):
    """uint16 as it is, uint8 spread over uint16."""
    return pixels if pixels.dtype == np.uint16 else pixels.astype(np.uint16) * np.uint16(257)
