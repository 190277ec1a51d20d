"""Alpha of a photograph of any size, in bounded memory, at a scale that the network has seen in training."""
from typing import NamedTuple

import cv2
import numpy as np

from matting.errors import UserError
from matting.inference import STRIDE, to_alpha, to_network_input
from matting.tiling import estimate_in_windows, holds, window_for
from matting.trimap import fuse, unknown_region
from matting.trimap.sizes import resize_trimap

TILE = 1024  # pixels of side: MindSpore takes 2.4 GiB for such a window, 3.5 GiB for one of 1280
# Both by python -m benchmarks.working_size, docs/photos.md.
REACH = 48  # pixels from any known pixel beyond which a reduced photograph is matted better
LEAST = 400  # pixels, the longer side that a photograph is not reduced below
SMALLER = "scale image and trimap down, or lower --tile (tile= in Python)"  # where memory runs out


class Scale(NamedTuple):
    """How a large photograph is worked on."""

    tile: int = TILE  # pixels of side, of square windows, whose area others have; what fits is seen whole
    max_side: int = 0  # pixels that the longer side is reduced to; 0: as much as the unknown region asks for


DEFAULT_SCALE = Scale()


def check_scale(tile, max_side):
    """-> Scale; raises UserError for sides that no network takes."""
    if tile < 4 * STRIDE:
        raise UserError(f"--tile {tile}: must be {4 * STRIDE} pixels or more")
    if max_side and max_side < STRIDE:
        raise UserError(f"--max_side {max_side}: must be {STRIDE} pixels or more, or 0")
    return Scale(tile, max_side)


def estimate_alpha(predict, image, trimap, config, size=None, scale=DEFAULT_SCALE):
    """(H, W, 3) uint8 RGB and (H, W) trimap -> (H, W) float32 alpha, known pixels exactly 0 or 1.

    predict: (1, 4, h, w) -> (1, 1, h, w) float32 arrays; never called where nothing is unknown. size: the one (h, w)
    that it takes, if there is only one. Where unknown pixels lie farther from known ones than REACH, the photograph is
    matted reduced, and the matte enlarged.
    """
    if not unknown_region(trimap).any():
        return fuse(np.zeros(trimap.shape, np.float32), trimap)
    reduction = reduction_for(trimap, scale.max_side)
    if reduction < 1:
        coarse = _estimate(predict, *reduce(image, trimap, reduction), config, size, scale)
        return enlarged(coarse, trimap)
    return _estimate(predict, image, trimap, config, size, scale)


def reduce(image, trimap, reduction):
    """Image and trimap with their sides multiplied by `reduction`, at most 1."""
    size = tuple(max(1, round(side * reduction)) for side in trimap.shape)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), resize_trimap(trimap, size)


def enlarged(coarse, trimap):
    """(h, w) alpha of a reduced photograph -> (H, W) alpha, known pixels as the full trimap says."""
    return fuse(np.clip(cv2.resize(coarse, trimap.shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1), trimap)


def reduction_for(trimap, max_side=0):
    """What the sides are multiplied by: at most 1, such that no unknown pixel is farther than REACH from known ones.

    Unless the longer side would become less than LEAST. Where max_side is given, that is what it becomes.
    """
    longer, unknown = max(trimap.shape), unknown_region(trimap)
    if max_side or longer <= LEAST:
        return min(1, max_side / longer) if max_side else 1
    farthest = np.inf
    if not unknown.all():
        farthest = cv2.distanceTransform(unknown.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5).max()
    return min(1, max(REACH / max(farthest, 1), LEAST / longer))


def _estimate(predict, image, trimap, config, size, scale):
    """At the photograph's own scale: in one pass, brought to the network's sides by config.fit, or in windows."""
    window = size or window_for(trimap.shape, scale.tile ** 2)
    if size is None and holds(window, trimap.shape):
        return to_alpha(predict(to_network_input(image, trimap, config)), trimap, config)
    return estimate_in_windows(predict, image, trimap, config, window)
