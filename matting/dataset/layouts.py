"""The folders of public data sets, read as they are downloaded: image, true matte and trimap of each composite."""
import logging
from pathlib import Path
from typing import NamedTuple

from matting.dataset.aim500 import VALIDATION_STEMS
from matting.dataset.composites import MANIFEST
from matting.dataset.matte_files import find_matte_files
from matting.dataset.splits import read_validation_stems
from matting.errors import UserError, listed

log = logging.getLogger(__name__)

AUTO, PREPARED = "auto", "prepared"  # config.layout: guessed; what data.process_dataset writes, or would write


class Layout(NamedTuple):
    """A row of LAYOUTS: folders in data_dir, of each the first that is there."""

    images: tuple
    masks: tuple
    trimaps: tuple
    completed: str = "complete the data set"  # what to do where one is missing

    def folders(self, data_dir):
        """[Path or None] of data_dir: images, masks, trimaps."""
        return [next((data_dir / name for name in names if (data_dir / name).is_dir()), None) for names in self[:3]]


ADOBE = "Test_set/Adobe-licensed images"
LOW_RESOLUTION = (("input_training_lowres",), ("gt_training_lowres",))
IMAGES, MASKS = ("original", "original_image", "blurred_image", "image", "images", "merged"), ("mask", "alpha", "matte")
# config.layout: its row; a guess takes the first row all of whose folders are there.
LAYOUTS = {
    "composition_1k": Layout(("Test_set/merged",), (f"{ADOBE}/alpha",), (f"{ADOBE}/trimaps",),
                             "compose the test set with python -m data.composition_1k"),
    "alphamatting": Layout(*LOW_RESOLUTION, ("trimap_training_lowres/Trimap1",)),
    "alphamatting_trimap2": Layout(*LOW_RESOLUTION, ("trimap_training_lowres/Trimap2",)),
    "folders": Layout(IMAGES, MASKS, ("trimap", "trimaps")),  # AIM-500; of AM-2k and P3M-10k the folder of a test set
}


def find_layout(config):
    """config.layout, or the key of LAYOUTS that data_dir is found to have; PREPARED where it has none."""
    data_dir = Path(config.data_dir)
    if config.layout != AUTO:
        return config.layout
    if _is_prepared(data_dir) or config.composition == "online":
        return PREPARED
    return _guess(data_dir) or PREPARED


def check_no_other(config):
    """Raise UserError where find_layout's guess is PREPARED, but what is there seems to be a public data set.

    Of such a set the images are read as they are where backgrounds are missing to compose over, as a checkpoint that
    was trained online asks for; Composition-1k may be still to be composed; AM-2k's folders are in AM-2k/validation.
    """
    data_dir, guessed = Path(config.data_dir), _guess(Path(config.data_dir))
    if config.layout != AUTO or _is_prepared(data_dir) or (data_dir / MANIFEST).exists():
        return
    if guessed and not Path(config.bg_dir).is_dir():
        raise UserError(f"{config.bg_dir}: no such folder; name the backgrounds to compose over with --bg_dir, or read "
                        f"{data_dir} as it is with --layout {guessed}")
    if (data_dir / ADOBE).is_dir():
        _folders(data_dir, "composition_1k")
    inside = [str(path) for pattern in ("*", "*/*") for path in sorted(data_dir.glob(pattern))
              if path.is_dir() and _guess(path)]
    if inside and not guessed:
        raise UserError(f"{data_dir}: holds a data set in a folder of it; pass --data_dir {' or '.join(inside)}")


def _is_prepared(data_dir):
    return (data_dir / "validation" / "data.txt").exists()


def _guess(data_dir):
    """The first key of LAYOUTS all of whose folders are there, or None."""
    return next((name for name, layout in LAYOUTS.items() if all(layout.folders(data_dir))), None)


def as_they_are(config, name):
    """[MatteFiles] of data_dir by a row of LAYOUTS; `predicted` is the image.

    Of a data set with AIM-500's validation images these alone, of others those of config.val_list or all. Raises
    UserError for a missing folder, for files without a partner and for stems that are not there.
    """
    data_dir = Path(config.data_dir)
    folders = _folders(data_dir, name)
    log.info("%s: read as it is, %s (--layout %s)", data_dir,
             ", ".join(str(folder.relative_to(data_dir)) for folder in folders), name)
    found = {files.name: files for files in find_matte_files(*folders)}
    if not config.val_list and not found.keys() >= set(VALIDATION_STEMS):
        return list(found.values())
    stems = read_validation_stems(config.val_list)
    absent = [stem for stem in stems if stem not in found]
    if absent:
        raise UserError(f"{folders[0]}: has no {listed(absent)}, which {config.val_list} names; add what is missing, "
                        "or name other stems with --val_list")
    log.info("%s: %d of %d images, those of %s", data_dir, len(stems), len(found),
             config.val_list or "AIM-500's validation; --val_list FILE names others")
    return [found[stem] for stem in stems]


def _folders(data_dir, name):
    """The three folders of a row of LAYOUTS; raises UserError for a missing one."""
    layout = LAYOUTS[name]
    folders = layout.folders(data_dir)
    if None in folders:
        raise UserError(f"{data_dir}: has no folder {' or '.join(layout[folders.index(None)])}, which --layout {name} "
                        f"reads; {layout.completed}, or name another --layout")
    return folders
