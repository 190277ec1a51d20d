"""A network ready to run, whatever file it came from and whatever runs it."""
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from matting.config import Config
from matting.errors import UserError, short_of_memory
from matting.estimation import DEFAULT_SCALE, SMALLER, check_scale, estimate_alpha
from matting.trimap import check_values


@dataclass(frozen=True)
class Network:
    """A function of an image and a trimap: the alpha."""

    predict: Callable  # (1, 4, H, W) normalised RGB and trimap, H and W multiples of 32 -> (1, 1, H, W); both float32
    config: Config  # that it was loaded with
    size: "tuple | None" = None  # (H, W) of the only inputs that it takes; None: any
    versions: Mapping = field(default_factory=dict)  # {library: version} of what runs it

    def __call__(self, image, trimap, tile=DEFAULT_SCALE.tile, max_side=DEFAULT_SCALE.max_side):
        """(H, W, 3) uint8 RGB, (H, W) uint8 trimap of 0, 128 and 255 -> (H, W) float32 alpha in [0, 1].

        Of any height and width; a trimap that is known everywhere is its own matte. tile, max_side: as matte's flags
        of these names. Raises UserError for other arrays.
        """
        scale = check_scale(tile, max_side)
        image, trimap = check_pixels("image", image, "(H, W, 3)"), check_pixels("trimap", trimap, "(H, W)")
        if image.shape[:2] != trimap.shape:
            raise UserError(f"trimap: is {trimap.shape}, but the image is {image.shape[:2]}; they must be of one size")
        check_values("trimap", trimap)
        with short_of_memory(f"image of {image.shape[1]}x{image.shape[0]}", SMALLER):
            return self.alpha(image, trimap, scale)

    def alpha(self, image, trimap, scale=DEFAULT_SCALE):
        """The same of arrays that are known to be in order, raising whatever a library raises."""
        return estimate_alpha(self.predict, image, trimap, self.config, self.size, scale)


def check_pixels(name, pixels, shape):
    """The pixels as an array; raises UserError unless they are uint8 of that shape, (H, W) or (H, W, 3), and some."""
    pixels = np.asarray(pixels)
    like = "(H, W, 3)" if pixels.ndim == 3 and pixels.shape[2] == 3 else "(H, W)" if pixels.ndim == 2 else None
    if like != shape or pixels.dtype != np.uint8 or not pixels.size:
        raise UserError(f"{name}: is an array {pixels.shape} of {pixels.dtype}; give {shape} of uint8, 0 to 255")
    return pixels


def of_one_size(predict, path, size):
    """The predictor of a graph file, raising UserError for inputs of another (height, width) than `size`, if given."""

    def checked(batch):
        if size and batch.shape[2:] != size:
            raise UserError(f"{path}: takes inputs of {size[1]}x{size[0]} only, not {batch.shape[3]}x{batch.shape[2]}; "
                            f"pass --img_size {size[0]} {size[1]}, or export the checkpoint again with --dynamic")
        return predict(batch)

    return checked
