"""The image files of a folder."""
from pathlib import Path

from matting.errors import UserError

HEIF_SUFFIXES = (".heic", ".heif")  # which pillow-heif reads, where it is installed
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", *HEIF_SUFFIXES)


def list_images(folder):
    """Sorted image files of a folder; raises UserError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    images = sorted(path for path in folder.iterdir()
                    if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."))
    if not images:
        raise UserError(f"{folder}: holds no {', '.join(IMAGE_SUFFIXES)} file")
    return images


def by_stem(folder):
    """{stem: path} of a folder's images; raises UserError where two files share a stem."""
    stems = {}
    for path in list_images(folder):
        if path.stem in stems:
            raise UserError(f"{path}: has the same stem as {stems[path.stem]}; keep one of them")
        stems[path.stem] = path
    return stems
