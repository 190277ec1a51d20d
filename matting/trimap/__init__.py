"""Trimaps: which pixels are surely background, surely foreground, or to be estimated."""
import cv2
import numpy as np

from matting.errors import UserError

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
MAX_RADIUS = 19  # pixels, of the trimaps drawn in training
FAR = 255  # the distance where no partly transparent pixel is nearer
ROUNDING = 1e-3  # above float32 noise in a distance, below what separates whole distances from their neighbours


def unknown_region(trimap):
    """(H, W) trimap in {0, 128, 255} -> (H, W) bool, True where alpha is to be estimated."""
    return trimap == UNKNOWN


def check_trimap(name, trimap):
    """Raise UserError, naming it, unless a (H, W) array holds 0, 128 and 255 only and something is unknown."""
    check_values(name, trimap)
    if not unknown_region(trimap).any():
        raise UserError(f"{name}: has no unknown pixel (128), so there is nothing to estimate; "
                        "mark the object's border as unknown")


def check_values(name, trimap):
    """Raise UserError, naming it, unless a (H, W) array holds 0, 128 and 255 only."""
    if not ((trimap == BACKGROUND) | (trimap == UNKNOWN) | (trimap == FOREGROUND)).all():
        others = np.setdiff1d(trimap, (BACKGROUND, UNKNOWN, FOREGROUND))
        raise UserError(f"{name}: has the values {', '.join(map(str, others[:5]))}{' ...' if others.size > 5 else ''}; "
                        "a trimap holds 0 (background), 128 (unknown) and 255 (foreground) only")


def make_trimap(alpha, radius):
    """Trimap of a matte: unknown is everything within `radius` of a partly transparent pixel.

    alpha: (H, W) uint8, 0..255. radius: Euclidean, in whole pixels, under 255.
    Returns (H, W) uint8 in {0, 128, 255}; 255 where alpha is 255 and not unknown.
    """
    return trimap_within(alpha, distance_to_soft(alpha), radius)


def distance_to_soft(alpha):
    """(H, W) uint8 matte -> (H, W) uint8, Euclidean distance to the nearest partly transparent pixel.

    Rounded up, which keeps every comparison with a whole radius; FAR where it is greater or there is none.
    """
    soft = (alpha > 0) & (alpha < 255)
    if not soft.any():
        return np.full_like(alpha, FAR)
    # cv2 measures the distance to the nearest zero. With one thread it takes another route than with several, which
    # gives 5.0000005 for 5: held by test_trimaps_do_not_depend_on_threads.
    distance = cv2.distanceTransform((~soft).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.ceil(np.minimum(distance, FAR) - ROUNDING).astype(np.uint8)


def dilations_to_reach(alpha):
    """(H, W) uint8 matte -> (H, W) uint8: so many dilations by a 3x3 ellipse take the region 0 < alpha to a pixel.

    FAR where alpha is 255, which stays foreground, and where more would be needed. Deep Image Matting's trimaps.
    """
    if not alpha.any():
        return np.full_like(alpha, FAR)
    # OpenCV's 3x3 ellipse is a cross, so that repeated dilation follows the city block distance
    distance = cv2.distanceTransform((alpha == 0).astype(np.uint8), cv2.DIST_L1, cv2.DIST_MASK_3)
    return np.where(alpha == 255, FAR, np.minimum(distance, FAR)).astype(np.uint8)


TRIMAP_RULES = {"distance": distance_to_soft, "dilation": dilations_to_reach}  # config.trimap_rule


def trimap_within(alpha, distance, radius):
    """As make_trimap, from what one of TRIMAP_RULES measured; any part of both arrays gives that part of the trimap."""
    known = np.where(alpha == 255, np.uint8(FOREGROUND), np.uint8(BACKGROUND))
    return np.where(distance <= radius, np.uint8(UNKNOWN), known)


def fuse(alpha, trimap):
    """(H, W) float alpha in [0, 1] with the trimap's known pixels set to exactly 0 or 1; a new float32 array."""
    return np.where(unknown_region(trimap), alpha, trimap == FOREGROUND).astype(np.float32)
