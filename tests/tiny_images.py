"""Small generated photographs, mattes and trimaps, and files of them as a user or a prepared set has."""
import numpy as np

from matting.dataset.data_list import ValidationRow
from matting.images.writing import write_png
from matting.programs.inputs import Source

LANDSCAPE, PORTRAIT = (40, 60), (60, 40)


def photograph(height, width):
    """(H, W, 3) uint8: a red that grows along both sides."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return np.dstack([255 * (0.3 * y + 0.7 * x), 100 + 0 * x, 50 + 0 * x]).astype(np.uint8)


def trimap_of(height, width):
    trimap = np.full((height, width), 128, np.uint8)
    trimap[:, :width // 4] = 0
    trimap[:, -(width // 4):] = 255
    return trimap


def write_pair(folder, stem, size=(45, 70)):
    for kind, pixels in (("images", photograph(*size)), ("trimaps", trimap_of(*size))):
        (folder / kind).mkdir(exist_ok=True)
        write_png(folder / kind / f"{stem}.png", pixels)
    return Source(folder / "images" / f"{stem}.png", folder / "trimaps" / f"{stem}.png")


def write_row(root, name, size, k=0):
    """One validation composite whose red channel is its alpha: a soft diagonal edge."""
    y, x = np.mgrid[0:1:size[0] * 1j, 0:1:size[1] * 1j]
    alpha = np.rint(255 * np.clip(3 * x + y - 1.5, 0, 1)).astype(np.uint8)
    trimap = np.where((alpha > 0) & (alpha < 255), 128, alpha).astype(np.uint8)
    row = ValidationRow(f"validation/merged/{name}_{k}.png", f"validation/mask/{name}.png",
                        f"validation/trimap/{name}.png")
    for path, pixels in zip(row, (np.dstack([alpha, alpha // 2, alpha // 3]), alpha, trimap), strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        write_png(root / path, pixels)
    return row
