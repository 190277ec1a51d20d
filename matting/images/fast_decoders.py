"""Quick decoding of plain files: undamaged 8-bit RGB or grey ones without rotation, the same pixels in half the time.

Whatever is not in order or out of the ordinary is left to Pillow, which knows better what to say of it. Not by
imagecodecs: it is no quicker, and takes truncated JPEG files for whole ones.
"""
import io
import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

try:
    import pyspng
    import simplejpeg
    from isal import isal_zlib
except ImportError:  # training installs them; a photograph now and then is well decoded by Pillow
    pyspng = simplejpeg = isal_zlib = None

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB8, GREY8 = (8, 2), (8, 0)  # bit depth, colour type
INTERLACED = 28  # byte of a PNG file
SUB = 1  # filter of a row whose values are differences to the left; 0: plain values
PNG_CHUNKS = {b"IHDR", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"tIME"}  # none moves a pixel


def decode_fast(path):
    """(H, W, 3) uint8 RGB; None for a file that is missing, damaged, rotated, transparent, or otherwise not plain.

    None for all files where the decoders are not installed.
    """
    if not simplejpeg:
        return None
    try:
        content = Path(path).read_bytes()
        return _decode_png(content) if content.startswith(PNG_SIGNATURE) else _decode_jpeg(content)
    except (OSError, ValueError, RuntimeError, SyntaxError, struct.error):
        return None


def decode_fast_grey(path):
    """(H, W) uint8 of an 8-bit grey PNG; None for another file, and as decode_fast."""
    if not simplejpeg:
        return None
    try:
        content = Path(path).read_bytes()
        return _decode_png(content, GREY8) if content.startswith(PNG_SIGNATURE) else None
    except (OSError, ValueError, RuntimeError, SyntaxError, struct.error, isal_zlib.error):
        return None


def _decode_jpeg(content):
    height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    usual = colours in ("YCbCr", "Gray") and height * width <= Image.MAX_IMAGE_PIXELS
    if not usual or ((b"Exif" in content or b"Orientation" in content) and _is_rotated(content)):
        return None
    return simplejpeg.decode_jpeg(content, "RGB", strict=True)


def _is_rotated(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.getexif().get(ExifTags.Base.Orientation, 1) != 1


def _decode_png(content, pixels=RGB8):
    """With every checksum compared first: pyspng decodes damaged files too."""
    width, height, depth, colour_type = struct.unpack_from(">IIBB", content, len(PNG_SIGNATURE) + 8)
    if (depth, colour_type) != pixels or height * width > Image.MAX_IMAGE_PIXELS:
        return None
    view, start, data = memoryview(content), len(PNG_SIGNATURE), []
    while start < len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + length
        if kind not in PNG_CHUNKS or struct.unpack_from(">I", content, end) != (isal_zlib.crc32(view[start + 4:end]),):
            return None
        if kind == b"IDAT":
            data.append(view[start + 8:end])
        start = end + 4
    if kind != b"IEND":
        return None
    in_rows = None
    if pixels == GREY8 and content[INTERLACED] == 0:
        in_rows = _decode_grey_rows(b"".join(data), height, width)
    return pyspng.load(content) if in_rows is None else in_rows


def _decode_grey_rows(data, height, width):
    """(H, W) uint8 of rows that hold differences to the left, as OpenCV writes them, or plain values; None for others.

    In a third of pyspng's time.
    """
    size = height * (1 + width)
    rows = np.frombuffer(isal_zlib.decompressobj().decompress(data, size + 1), np.uint8)
    if len(rows) != size:
        return None
    filters, values = rows.reshape(height, 1 + width)[:, 0], rows.reshape(height, 1 + width)[:, 1:]
    if filters.max() > SUB:
        return None
    pixels = np.cumsum(values, axis=1, dtype=np.uint8)
    pixels[filters != SUB] = values[filters != SUB]
    return pixels
