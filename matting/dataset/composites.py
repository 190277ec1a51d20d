"""Which files the composites of training and validation are made of, prepared or composed as they are needed."""
from pathlib import Path
from typing import NamedTuple

from matting.compositing import composite_uint8, cover_background
from matting.dataset.data_list import TrainRow, ValidationRow, read_rows
from matting.dataset.splits import read_training_stems, read_validation_stems, training_stems
from matting.errors import UserError, listed
from matting.images.listing import by_stem, list_images
from matting.images.reading import read_image

MANIFEST = "manifest.json"  # in a data_dir that data.process_dataset prepared
OWN_BACKGROUND = 0.5  # share of the composites of a foreground that has a background of its own


class TrainingComposite(NamedTuple):
    """The files of one training composite."""

    original: Path
    mask: Path
    background: Path
    merged: "Path | None"  # None: to be composed
    tied: bool = False  # whether the background is what lies behind the foreground in the photograph


class ValidationComposite(NamedTuple):
    """The files of one validation composite."""

    name: str  # STEM_K, as of the merged file
    mask: Path
    trimap: Path
    merged: "Path | None"  # None: to be composed of the next two
    original: "Path | None" = None
    background: "Path | None" = None


class PreparedComposites:
    """The rows of a prepared set's train/data.txt."""

    def __init__(self, config):
        self._rows = read_rows(Path(config.data_dir) / "train" / "data.txt", TrainRow)
        self._data_dir, self._bg_dir = Path(config.data_dir), Path(config.bg_dir)

    def __len__(self):
        return len(self._rows)

    def listed(self):
        """What the samples are made of, a line each: the same wherever the data lies."""
        return ["|".join(row) for row in self._rows]

    def draw(self, index, rng):
        """The composite of row `index`; nothing in it is random."""
        row = self._rows[index]
        return TrainingComposite(self._data_dir / row.original, self._data_dir / row.mask,
                                 self._bg_dir / row.background, self._data_dir / row.merged)


class OnlineComposites:
    """Every training foreground num_bgs_train times an epoch, each time over a background drawn at random.

    Foregrounds and backgrounds are those that a prepared data_dir trains with; in an unprepared one, those that
    preparing it would give to training. Validation's are never drawn. Of the foregrounds, those that config.train_list
    names, each as often as it is named. Augmented, half of the time over its own background where data_dir/background
    has one.
    """

    def __init__(self, config):
        data_dir = Path(config.data_dir)
        self._foregrounds, self._backgrounds = _training_files(config)
        if config.train_list:
            by_name = {original.stem: (original, mask) for original, mask in self._foregrounds}
            self._foregrounds = [by_name[stem] for stem in read_training_stems(config.train_list, by_name, data_dir)]
        own = data_dir / "background"
        self._own_backgrounds = by_stem(own) if config.augmentation != "none" and own.is_dir() else {}
        self._times = config.num_bgs_train

    def __len__(self):
        return self._times * len(self._foregrounds)

    def listed(self):
        """What the samples are made of, a line each: the same wherever the data lies."""
        foregrounds = [f"{original.name}|{mask.name}" for original, mask in self._foregrounds]
        return [*foregrounds, *(path.name for path in (*self._backgrounds, *self._own_backgrounds.values()))]

    def draw(self, index, rng):
        """Foreground `index`, counted round and round, over a random background."""
        original, mask = self._foregrounds[index % len(self._foregrounds)]
        if original.stem in self._own_backgrounds and rng.random() < OWN_BACKGROUND:
            return TrainingComposite(original, mask, self._own_backgrounds[original.stem], merged=None, tied=True)
        return TrainingComposite(original, mask, self._backgrounds[rng.integers(len(self._backgrounds))], merged=None)


def prepared_validation(config):
    """ValidationComposites: the rows of a prepared set's validation/data.txt."""
    data_dir = Path(config.data_dir)
    return [ValidationComposite(Path(row.merged).stem, data_dir / row.mask, data_dir / row.trimap,
                                data_dir / row.merged)
            for row in read_rows(_validation_list(config), ValidationRow)]


def composed_validation(config):
    """ValidationComposites: a prepared set's own; of an unprepared one those that preparing it would write."""
    if _validation_list(config).exists():
        return prepared_validation(config)
    files = _matching_files(Path(config.data_dir), ("original", "mask", "trimap"))
    training, validation = _splits(config, files["original"])
    _, backgrounds = _deal_backgrounds(config, len(training), len(validation))
    dealt = iter(backgrounds)
    return [ValidationComposite(f"{stem}_{k}", files["mask"][stem], files["trimap"][stem], None,
                                files["original"][stem], next(dealt))
            for stem in validation for k in range(config.num_bgs_val)]


def check_unseen(composites, training):
    """Raise UserError where a ValidationComposite is to be composed over a background that Config `training` draws."""
    backgrounds = {files.background for files in composites if files.background}
    if Path(training.bg_dir).resolve() not in {path.parent.resolve() for path in backgrounds}:
        return
    seen = {path.resolve() for path in _training_files(training)[1]}
    for path in sorted(path for path in backgrounds if path.resolve() in seen):
        raise UserError(f"{path}: is a background of training, over which nothing is validated; leave "
                        f"num_bgs_train ({training.num_bgs_train}), num_bgs_val ({training.num_bgs_val}) and val_list "
                        f"({training.val_list or 'empty'}) as in training, or name another --bg_dir")


def compose(image, alpha, background_path):
    """The documented composite of a foreground, (H, W, 3) and (H, W) uint8, over the background in a file."""
    return composite_uint8(image, cover_background(read_image(background_path), *alpha.shape), alpha)


def _training_files(config):
    """[(original, mask)], [background] that OnlineComposites draws.

    All of bg_dir is training's where validation is a set of its user's own making.
    """
    data_dir, bg_dir = Path(config.data_dir), Path(config.bg_dir)
    data_txt = data_dir / "train" / "data.txt"
    if data_txt.exists():
        rows = read_rows(data_txt, TrainRow)
        foregrounds = dict.fromkeys((data_dir / row.original, data_dir / row.mask) for row in rows)
        return list(foregrounds), sorted({bg_dir / row.background for row in rows})
    if _validation_list(config).exists() and (data_dir / MANIFEST).exists():
        raise UserError(f"{data_txt}: no such file, and {_validation_list(config)} may take what training would draw; "
                        "prepare the data again, or delete the latter to have validation composed, too")
    files = _matching_files(data_dir, ("original", "mask"))
    training, validation = _splits(config, files["original"])
    if _validation_list(config).exists():
        backgrounds = list_images(bg_dir)
    else:
        backgrounds, _ = _deal_backgrounds(config, len(training), len(validation))
    return [(files["original"][stem], files["mask"][stem]) for stem in training], backgrounds


def _validation_list(config):
    return Path(config.data_dir) / "validation" / "data.txt"


def _splits(config, originals):
    """Stems of training and of validation, both sorted."""
    validation = read_validation_stems(config.val_list)
    return training_stems(originals, validation, config.data_dir), validation


def _matching_files(data_dir, roles):
    """{role: {stem: file}} of an unprepared data set, the same stems in each role as in the first."""
    files = {role: by_stem(data_dir / role) for role in roles}
    every = sorted(set().union(*files.values()))
    for role in roles:
        missing = [stem for stem in every if stem not in files[role]]
        if missing:
            raise UserError(f"{data_dir / role}: has no {listed(missing)}; each stem needs an {' and a '.join(roles)}")
    return files


def _deal_backgrounds(config, training, validation):
    """Backgrounds in sorted order -> those of training, those of validation, as preparation deals them.

    Where bg_dir has too few, training gets what validation leaves. training, validation: numbers of foregrounds.
    """
    backgrounds = list_images(config.bg_dir)
    wanted, for_validation = training * config.num_bgs_train, validation * config.num_bgs_val
    count = min(wanted, len(backgrounds) - for_validation)
    if count < 1:
        raise UserError(f"{config.bg_dir}: holds {len(backgrounds)} backgrounds, all of them wanted for validation "
                        f"({for_validation}); add photographs or lower --num_bgs_val")
    return backgrounds[:count], backgrounds[count:count + for_validation]


TRAINING_COMPOSITES = {"offline": PreparedComposites, "online": OnlineComposites}  # config.composition
VALIDATION_COMPOSITES = {"offline": prepared_validation, "online": composed_validation}
