"""ICC profiles: what a file's numbers mean as colours. Files without one are taken as sRGB."""
import io

import numpy as np
from PIL import Image, ImageCms

RGB, CMYK, GREY = b"RGB ", b"CMYK", b"GRAY"  # colour spaces, as a profile's header names them
CONVERTED = (CMYK, GREY)  # those whose profiles cannot go into an RGB file
SIGNATURE = b"acsp"


def colour_space(profile):
    """The colour space that a profile is for, such as b"RGB "; None without one and for one that is damaged."""
    return profile[16:20] if profile and profile[36:40] == SIGNATURE else None


def to_srgb(image, profile):
    """Pillow's image in the profile's colours -> Pillow's RGB image in sRGB; by rule of thumb where it does not fit."""
    try:
        return ImageCms.profileToProfile(image, _opened(profile), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")


def convert(pixels, source, target):
    """(H, W, 3) uint8 in the colours of one profile -> in those of another; None is sRGB."""
    if source == target or (is_srgb(source) and is_srgb(target)):
        return pixels
    image = ImageCms.profileToProfile(Image.fromarray(pixels), _opened(source), _opened(target))
    return np.array(image)


def is_srgb(profile):
    """Whether a profile says what is taken for granted without one."""
    return profile is None or "sRGB" in ImageCms.getProfileDescription(_opened(profile))


def _opened(profile):
    return ImageCms.createProfile("sRGB") if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
