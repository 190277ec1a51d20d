"""Reading and writing image files: one clear error for each way a file can be bad, no half-written outputs.

Pillow decodes what is not plain, because OpenCV returns a grey-filled picture for a truncated JPEG without saying so.
"""
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from matting.errors import UserError
from matting.images.fast_decoders import decode_fast, decode_fast_grey
from matting.images.listing import HEIF_SUFFIXES
from matting.trimap import check_trimap

GREY_MODES = ("1", "L", "LA")  # Pillow's names
TINT = 24  # levels by which a grey pixel's channels may differ after JPEG


def read_image(path):
    """A photograph -> (H, W, 3) uint8 RGB, upright: EXIF rotation is applied, grey and palette images are expanded.

    Raises UserError for a missing, damaged or partly transparent file.
    """
    pixels = decode_fast(path)
    if pixels is not None:
        return pixels
    image = _load(path)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            raise UserError(f"{path}: has transparent pixels; flatten it onto a background first")
    if image.mode.startswith("I"):
        return np.repeat(_to_uint8(image)[:, :, None], 3, axis=2)
    return np.array(image.convert("RGB"))


def read_alpha(path):
    """A matte -> (H, W) uint8, 0 transparent .. 255 opaque; 16-bit files are rounded to 8 bits.

    Raises UserError for a missing or damaged file and for a colour image.
    """
    grey = _read_grey(path)
    return grey if grey.dtype == np.uint8 else np.rint(grey / 257).astype(np.uint8)


def read_matte(path):
    """A matte of 8 or 16 bits -> (H, W) float32 in [0, 1], as fine as the file; errors as read_alpha."""
    grey = _read_grey(path)
    return grey / np.float32(np.iinfo(grey.dtype).max)


def _read_grey(path):
    """(H, W) uint8, or uint16 of a file of more bits."""
    pixels = decode_fast_grey(path)
    if pixels is not None:
        return pixels
    image = _load(path)
    if image.mode.startswith("I"):
        return np.asarray(image).clip(0, 65535).astype(np.uint16)
    if image.mode in GREY_MODES:
        return np.array(image.convert("L"))
    pixels = np.array(image.convert("RGB"))
    if (pixels != pixels[:, :, :1]).any():
        raise UserError(f"{path}: is a colour image; a matte or trimap has one grey channel")
    return pixels[:, :, 0].copy()


def read_grey(path):
    """As read_alpha, of a file that JPEG or an editor may have tinted slightly."""
    return _nearly_grey(path, _load(path))


def read_mask(path):
    """A mask -> (H, W) uint8: the opacity of a partly transparent file, or the grey values; errors as read_grey."""
    image = _load(path)
    if "A" in image.getbands() or "transparency" in image.info:
        opacity = image.convert("RGBA").getchannel("A")
        if opacity.getextrema()[0] < 255:
            return np.array(opacity)
    return _nearly_grey(path, image)


def _nearly_grey(path, image):
    if image.mode.startswith("I"):
        return _to_uint8(image)
    if image.mode in GREY_MODES:
        return np.array(image.convert("L"))
    pixels = np.array(image.convert("RGB"))
    if (pixels.max(axis=2) - pixels.min(axis=2)).max() > TINT:
        raise UserError(f"{path}: is a colour image, but a trimap and a mask are grey; a photograph comes first, and a "
                        "picture with strokes is passed with --strokes")
    return np.array(image.convert("L"))


def read_trimap(path):
    """A trimap -> (H, W) uint8 in {0, 128, 255}; raises UserError for other values or no unknown pixel."""
    trimap = read_alpha(path)
    check_trimap(path, trimap)
    return trimap


def read_header(path):
    """(height, width, upright) of an image, decoding nothing; the size is the one after EXIF rotation.

    upright: whether the pixels are stored the right way up, so that programs that ignore EXIF see the same picture.
    Raises UserError for a missing file and for one that is no image.
    """
    with open_image(path) as image:
        orientation = image_orientation(image)
        width, height = image.size
    height, width = (width, height) if orientation in range(5, 9) else (height, width)
    return height, width, orientation not in range(2, 9)


def check_same_size(path, array, reference_path, reference):
    """Raise UserError unless both (H, W, ...) arrays have the same height and width."""
    check_equal_sizes(path, array.shape[:2], reference_path, reference.shape[:2])


def check_equal_sizes(path, size, reference_path, reference_size):
    """Raise UserError unless both files' (height, width) are equal."""
    (height, width), (expected_height, expected_width) = size, reference_size
    if (height, width) != (expected_height, expected_width):
        raise UserError(f"{path}: is {width}x{height}, but {reference_path} is {expected_width}x{expected_height} "
                        "(after EXIF rotation); they must be of one size")


def image_orientation(image):
    """EXIF's, 1 (upright) to 8, of a file that Pillow opened, decoding nothing."""
    # the base class's method: PNG's own decodes the whole image in search of a late EXIF chunk
    return Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)


@contextmanager
def open_image(path):
    """Yield Pillow's image, not decoded yet; what goes wrong inside the block becomes a UserError."""
    if Path(path).suffix.lower() in HEIF_SUFFIXES:
        _register_heif(path)
    try:
        with Image.open(path) as image:
            yield image
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except MemoryError:
        raise UserError(f"{path}: does not fit into memory; free some, or replace the file if it is damaged") from None
    except Exception as error:  # each of Pillow's decoders raises what it likes: AVIF's, say, RuntimeError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: cannot be read as an image ({reason}); replace the file") from None


def _register_heif(path):
    """Let Pillow open what phones write; raises UserError where the package for it is not installed."""
    try:
        from pillow_heif import register_heif_opener  # here, because it is an extra
    except ImportError:
        raise UserError(f"{path}: reading HEIC needs a package more: pip install pillow-heif; or save it as "
                        "JPEG") from None
    register_heif_opener()


def _load(path):
    with open_image(path) as image:
        image.load()
        return ImageOps.exif_transpose(image)


def _to_uint8(image):
    """Pillow's 16-bit (or 32-bit integer) grey -> uint8, rounded."""
    return np.rint(np.asarray(image, np.float64).clip(0, 65535) / 257).astype(np.uint8)
