"""Writing image files, whole or not at all."""
import struct
import zlib

import cv2
from PIL import Image

from matting.errors import UserError
from matting.files import atomic_path

HEADER_END = 33  # bytes of a PNG file up to its second chunk, before which its profile stands
WEBP_SIDE = 16383  # pixels at most
WEBP_QUALITY = 92  # of colours; opacity is kept as it is


def write_png(path, pixels, compression=1, profile=None):
    """Write uint8 or uint16 (H, W), (H, W, 3) RGB or (H, W, 4) RGBA losslessly and atomically.

    compression 0..9: level 1 takes a twentieth of level 9's time for 7 % more bytes. profile: ICC, of the colours.
    """
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, order[pixels.shape[2]])
    encoded = memoryview(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, compression])[1])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(encoded[:HEADER_END])
        if profile:
            file.write(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
        file.write(encoded[HEADER_END:])


def write_webp(path, pixels, profile=None):
    """Write uint8 (H, W, 3) RGB or (H, W, 4) RGBA as WebP, atomically, opacity as it is.

    Raises UserError for pictures larger than WebP can be.
    """
    if max(pixels.shape[:2]) > WEBP_SIDE:
        raise UserError(f"{path}: WebP holds {WEBP_SIDE} pixels a side at most; choose --format png")
    options = {"quality": WEBP_QUALITY, "exact": True, "method": 2}
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, "WEBP", **options, **({"icc_profile": profile} if profile else {}))


def _chunk(kind, content):
    """A PNG chunk: length, kind, content, checksum of both."""
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))
