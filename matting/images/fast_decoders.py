"""Quick decoding of plain files: undamaged 8-bit RGB or grey ones without rotation, the same pixels in half the time.

Whatever is not in order or out of the ordinary is left to Pillow, which knows better what to say of it. Not by
imagecodecs: it is no quicker, and takes truncated JPEG files for whole ones.
"""
import io
import struct
from pathlib import Path

from PIL import ExifTags, Image

try:
    import pyspng
    import simplejpeg
    from isal import isal_zlib
except ImportError:  # training installs them; a photograph now and then is well decoded by Pillow
    pyspng = simplejpeg = isal_zlib = None

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB8 = (8, 2)  # bit depth, colour type
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


def _decode_jpeg(content):
    height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
    usual = colours in ("YCbCr", "Gray") and height * width <= Image.MAX_IMAGE_PIXELS
    if not usual or ((b"Exif" in content or b"Orientation" in content) and _is_rotated(content)):
        return None
    return simplejpeg.decode_jpeg(content, "RGB", strict=True)


def _is_rotated(content):
    with Image.open(io.BytesIO(content)) as image:
        return image.getexif().get(ExifTags.Base.Orientation, 1) != 1


def _decode_png(content):
    """With every checksum compared first: pyspng decodes damaged files too."""
    width, height, depth, colour_type = struct.unpack_from(">IIBB", content, len(PNG_SIGNATURE) + 8)
    if (depth, colour_type) != RGB8 or height * width > Image.MAX_IMAGE_PIXELS:
        return None
    view, start = memoryview(content), len(PNG_SIGNATURE)
    while start < len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 8 + length
        if kind not in PNG_CHUNKS or struct.unpack_from(">I", content, end) != (isal_zlib.crc32(view[start + 4:end]),):
            return None
        start = end + 4
    return pyspng.load(content) if kind == b"IEND" else None
