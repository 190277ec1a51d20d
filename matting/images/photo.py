"""Photographs as cameras, phones and editors write them: deep colours, profiles, transparent pixels."""
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ImageOps

from matting.errors import UserError
from matting.images.fast_decoders import PNG_SIGNATURE, decode_fast
from matting.images.profiles import CONVERTED, RGB, colour_space, to_srgb
from matting.images.reading import image_orientation, open_image

DEEP = ";16"  # in Pillow's name of a file's pixels, where a channel has 16 bits
UPRIGHT = {  # EXIF orientation: what makes (H, W, C) pixels upright
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


class Photo(NamedTuple):
    """What a photograph's file holds, upright."""

    pixels: np.ndarray  # (H, W, 3) RGB, uint8, or uint16 of a file that has so many levels
    opacity: "np.ndarray | None"  # (H, W) uint8, where some of it is transparent
    profile: "bytes | None"  # ICC, of the pixels' RGB; None where the file names none

    @property
    def image(self):
        """(H, W, 3) uint8, as networks see it."""
        return to_8_bits(self.pixels)


def read_photo(path):
    """An image file -> Photo; raises UserError for a missing or damaged one.

    Grey, palette and CMYK images become RGB; where the file's profile is not one of RGB, by it, and it is dropped.
    """
    with open_image(path) as image:
        profile = image.info.get("icc_profile")
        is_rgb = colour_space(profile) == RGB
        if not is_rgb and colour_space(profile) not in CONVERTED:
            profile, is_rgb = None, True
        deep, orientation = _has_16_bits(image), image_orientation(image)
        pixels = None if deep or not is_rgb else decode_fast(path)
        if pixels is not None:
            return Photo(pixels, None, profile)
        image.load()
        upright = ImageOps.exif_transpose(image)
        opacity = _opacity(upright)
        if not is_rgb:
            return Photo(np.array(to_srgb(upright, profile)), opacity, None)
        return Photo(_read_deep(path, orientation) if deep else _rgb(path, upright), opacity, profile)


def flatten(pixels, opacity):
    """(H, W, 3) over white, where (H, W) uint8 opacity lets it through; of the same type."""
    white = np.iinfo(pixels.dtype).max
    share = opacity[:, :, None] / np.float32(255)
    return np.rint(pixels * share + white * (1 - share)).astype(pixels.dtype)


def to_8_bits(pixels):
    """uint8 as it is, uint16 rounded to uint8."""
    return pixels if pixels.dtype == np.uint8 else cv2.convertScaleAbs(pixels, alpha=1 / 257)


def _has_16_bits(image):
    """Whether a file that Pillow opened, but has not decoded yet, holds 16 bits a channel."""
    return any(DEEP in str(tile[3]) for tile in image.tile)


def _opacity(image):
    if "A" not in image.getbands() and "transparency" not in image.info:
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == 255 else np.array(alpha)


def _rgb(path, image):
    if image.mode == "F":
        raise UserError(f"{path}: holds floating-point numbers; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # Pillow's own integers, which hold 16 bits
        return np.repeat(np.asarray(image).clip(0, 65535).astype(np.uint16)[:, :, None], 3, axis=2)
    return np.array(image.convert("RGB"))


def _read_deep(path, orientation):
    """(H, W, 3) uint16, upright: by OpenCV, since Pillow has no such images."""
    found, pages = cv2.imreadmulti(str(path), flags=cv2.IMREAD_UNCHANGED)
    if not found:
        raise UserError(f"{path}: holds 16 bits a channel in an unknown way; save it as PNG, or with 8 bits")
    pixels = pages[0] if pages[0].ndim == 3 else pages[0][:, :, None]
    if Path(path).read_bytes()[:len(PNG_SIGNATURE)] == PNG_SIGNATURE:  # TIFF files OpenCV turns upright itself
        pixels = UPRIGHT.get(orientation, np.asarray)(pixels)
    return np.repeat(pixels[:, :, :1], 3, axis=2) if pixels.shape[2] < 3 else np.ascontiguousarray(pixels[:, :, 2::-1])
