"""The image files of a folder."""
import os
from pathlib import Path

from matting.errors import UserError

HEIF_SUFFIXES = (".heic", ".heif")  # which pillow-heif reads, where it is installed
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif", *HEIF_SUFFIXES)


def list_images(folder):
    """Sorted image files of a folder; raises UserError where there is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    return _some(folder, sorted(path for path in folder.iterdir() if _is_image(path)))


def by_stem(folder):
    """{stem: path} of a folder's images; raises UserError where two files share a stem."""
    stems = {}
    for path in list_images(folder):
        if path.stem in stems:
            raise UserError(f"{path}: has the same stem as {stems[path.stem]}; keep one of them")
        stems[path.stem] = path
    return stems


def by_name(folder, without=()):
    """{name: path} of a folder's images and of its sub-folders', sorted; `cats/tom` of folder/cats/tom.jpg.

    Hidden folders and those in `without` are left out. Raises UserError where there is no image, or where two files
    share a name.
    """
    folder, without = Path(folder), {Path(path).resolve() for path in without}
    names, found = {}, []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")
                      and (Path(place) / name).resolve() not in without]
        found += filter(_is_image, (Path(place) / name for name in files))
    for path in _some(folder, sorted(found)):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in names:
            raise UserError(f"{path}: has the same stem as {names[name]}; keep one of them")
        names[name] = path
    return names


def _is_image(path):
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _some(folder, images):
    if not images:
        raise UserError(f"{folder}: holds no {', '.join(IMAGE_SUFFIXES)} file")
    return images
