"""Which true matte and which trimap a predicted matte is measured with: files of equal names.

Public sets number the composites of one foreground, NAME_0.png to NAME_19.png, whose true matte is NAME.png and whose
trimap is one for each or one for all; programs add what a file is, NAME_alpha.png.
"""
import re
from pathlib import Path
from typing import NamedTuple

from matting.errors import UserError, listed
from matting.images.listing import list_images

WORD = re.compile(r"(?<=.)_(alpha|matte|mask|pred|trimap)$")  # what a file is, at the end of its stem
BESIDE = re.compile(r"(?<=.)_(cutout|composite)$")  # what predicting programs write besides mattes
NUMBER = re.compile(r"(?<=.)_\d+$")  # which composite of a foreground


class MatteFiles(NamedTuple):
    """A predicted matte and what it is measured with."""

    name: str
    predicted: Path
    true: Path
    trimap: "Path | None"  # None: all of the image counts


def find_matte_files(predicted, true, trimap=None):
    """Two or three files, or as many folders -> [MatteFiles], sorted by name.

    Raises UserError where one is not there, where files and folders are mixed, where a file has no partner, and where
    names are ambiguous.
    """
    given = [Path(path) for path in (predicted, true, trimap) if path]
    missing = [path for path in given if not path.exists()]
    if missing:
        raise UserError(f"{missing[0]}: no such file or folder")
    if len({path.is_dir() for path in given}) > 1:
        folder = next(path for path in given if path.is_dir())
        file = next(path for path in given if not path.is_dir())
        raise UserError(f"{folder} is a folder, but {file} is not; give files only or folders only")
    if not given[0].is_dir():
        return [MatteFiles(given[0].stem, *given, *[None][len(given) - 2:])]
    predictions = _by_name(given[0])
    partners = [_partners(given[0], predictions, folder) for folder in given[1:]]
    return [MatteFiles(name, path, *(found[name] for found in partners), *[None][len(partners) - 1:])
            for name, path in sorted(predictions.items())]


def _by_name(folder):
    """{stem without what the file is: path} of a folder's images."""
    names = {}
    for path in list_images(folder):
        if BESIDE.search(path.stem):
            continue
        name = WORD.sub("", path.stem)
        if name in names:
            raise UserError(f"{path}: has the same name as {names[name]}; keep one of them")
        names[name] = path
    return names


def _partners(folder, predictions, other_folder):
    """{name of a prediction: its file in the other folder}, every file of which is somebody's."""
    files = _by_name(other_folder)
    found = {name: name if name in files else NUMBER.sub("", name) for name in predictions}
    alone = sorted(name for name, partner in found.items() if partner not in files)
    if alone:
        raise UserError(f"{other_folder}: has no {listed(alone)}, which {folder} has; add what is missing, or move out "
                        "what is not to be measured")
    surplus = sorted(files.keys() - found.values())
    if surplus:
        raise UserError(f"{folder}: has no {listed(surplus)}, which {other_folder} has; add what is missing, or move "
                        "out what is not to be measured")
    return {name: files[partner] for name, partner in found.items()}
