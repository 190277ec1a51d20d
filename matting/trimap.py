"""Trimaps: which pixels are surely background, surely foreground, or to be estimated."""
import cv2
import numpy as np

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255


def unknown_region(trimap):
    """(H, W) trimap in {0, 128, 255} -> (H, W) bool, True where alpha is to be estimated."""
    return trimap == UNKNOWN


def make_trimap(alpha, radius):
    """Trimap of a matte: unknown is everything within `radius` of a partly transparent pixel.

    alpha: (H, W) uint8, 0..255. radius: Euclidean, in pixels.
    Returns (H, W) uint8 in {0, 128, 255}; 255 where alpha is 255 and not unknown.
    """
    soft = (alpha > 0) & (alpha < 255)
    trimap = np.where(alpha == 255, FOREGROUND, BACKGROUND).astype(np.uint8)
    if soft.any():
        # cv2 measures the distance to the nearest zero; the precise mask matches SciPy's exact transform
        distance = cv2.distanceTransform((~soft).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        trimap[distance <= radius] = UNKNOWN
    return trimap


def fuse(alpha, trimap):
    """(H, W) float alpha in [0, 1] with the trimap's known pixels set to exactly 0 or 1; a new float32 array."""
    return np.where(unknown_region(trimap), alpha, trimap == FOREGROUND).astype(np.float32)
