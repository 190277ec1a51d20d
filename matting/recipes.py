"""Which files the training composites are made of, prepared or composed as they are drawn."""
from pathlib import Path
from typing import NamedTuple

from matting.errors import UserError
from matting.files import by_stem, list_images
from matting.sample import TrainRow, read_rows
from matting.split import read_validation_stems, some, training_stems


class Recipe(NamedTuple):
    """The files of one training composite."""

    original: Path
    mask: Path
    background: Path
    merged: Path | None  # None: to be composed


class OfflineRecipes:
    """The rows of a prepared set's train/data.txt."""

    def __init__(self, config):
        self._rows = read_rows(Path(config.data_dir) / "train" / "data.txt", TrainRow)
        self._data_dir, self._bg_dir = Path(config.data_dir), Path(config.bg_dir)

    def __len__(self):
        return len(self._rows)

    def draw(self, index, rng):
        """The composite of row `index`; nothing in it is random."""
        row = self._rows[index]
        return Recipe(self._data_dir / row.original, self._data_dir / row.mask, self._bg_dir / row.background,
                      self._data_dir / row.merged)


class OnlineRecipes:
    """Every training foreground num_bgs_train times an epoch, each time over a background drawn at random.

    Foregrounds and backgrounds are those that a prepared data_dir trains with; in an unprepared one, those that
    preparing it would give to training. Validation's are never drawn.
    """

    def __init__(self, config):
        data_dir, bg_dir = Path(config.data_dir), Path(config.bg_dir)
        data_txt = data_dir / "train" / "data.txt"
        if data_txt.exists():
            rows = read_rows(data_txt, TrainRow)
            self._foregrounds = list(dict.fromkeys((data_dir / row.original, data_dir / row.mask) for row in rows))
            self._backgrounds = sorted({bg_dir / row.background for row in rows})
        else:
            originals, masks = _matching_files(data_dir)
            validation = read_validation_stems(config.val_list)
            training = training_stems(originals, validation, data_dir)
            self._foregrounds = [(originals[stem], masks[stem]) for stem in training]
            self._backgrounds = _training_backgrounds(bg_dir, len(training) * config.num_bgs_train,
                                                      len(validation) * config.num_bgs_val)
        self._times = config.num_bgs_train

    def __len__(self):
        return self._times * len(self._foregrounds)

    def draw(self, index, rng):
        """Foreground `index`, counted round and round, over a random background."""
        original, mask = self._foregrounds[index % len(self._foregrounds)]
        return Recipe(original, mask, self._backgrounds[rng.integers(len(self._backgrounds))], merged=None)


def _matching_files(data_dir):
    """{stem: original}, {stem: mask} of an unprepared data set, the same stems in both."""
    originals, masks = by_stem(data_dir / "original"), by_stem(data_dir / "mask")
    for folder, stems, others in (("mask", masks, originals), ("original", originals, masks)):
        missing = sorted(set(others) - set(stems))
        if missing:
            raise UserError(f"{data_dir / folder}: has no {some(missing)}; each stem needs an original and a mask")
    return originals, masks


def _training_backgrounds(bg_dir, for_training, for_validation):
    """Backgrounds in sorted order, of which preparation deals the first to training, the next to validation."""
    backgrounds = list_images(bg_dir)
    count = min(for_training, len(backgrounds) - for_validation)
    if count < 1:
        raise UserError(f"{bg_dir}: holds {len(backgrounds)} backgrounds, all of them wanted for validation "
                        f"({for_validation}); add photographs or lower --num_bgs_val")
    return backgrounds[:count]


RECIPES = {"offline": OfflineRecipes, "online": OnlineRecipes}  # config.composition
