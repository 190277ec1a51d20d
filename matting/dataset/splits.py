"""Which foregrounds train and which validate."""
from collections import Counter
from pathlib import Path

from matting.dataset.aim500 import VALIDATION_STEMS
from matting.errors import UserError, listed


def read_validation_stems(val_list):
    """The stems that `val_list`, a file of one stem a line, puts into the validation split; empty: those of AIM-500."""
    if not val_list:
        return tuple(sorted(VALIDATION_STEMS))
    stems = _read_stems(val_list, "val_list", "validation")
    repeated = [stem for stem, count in Counter(stems).items() if count > 1]
    if repeated:
        raise UserError(f"{val_list}: names {listed(repeated)} more than once; name each stem once")
    return tuple(sorted(stems))


def read_training_stems(train_list, known, data_dir):
    """The stems that `train_list` names, one a line, as often as it names them.

    known: the stems that may be trained on; raises UserError for another.
    """
    stems = _read_stems(train_list, "train_list", "training")
    absent = sorted(set(stems) - set(known))
    if absent:
        raise UserError(f"{train_list}: names {listed(absent)}, not among the foregrounds to train on in {data_dir}; "
                        "take out what is missing or validates")
    return stems


def _read_stems(path, key, split):
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path}: no such file; --{key} names a file with one {split} stem a line") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not a text file; write one {split} stem a line") from None
    stems = [line.strip() for line in lines if line.strip()]
    if not stems:
        raise UserError(f"{path}: is empty; write one {split} stem a line")
    return stems


def training_stems(stems, validation, data_dir):
    """The stems of a data set that are not in `validation`, sorted; raises UserError unless both splits are there."""
    absent = [stem for stem in validation if stem not in stems]
    if absent:
        raise UserError(f"{data_dir}: has no {listed(absent)} of the validation list; "
                        "complete the data set, or name its own validation stems with --val_list FILE")
    training = sorted(set(stems) - set(validation))
    if not training:
        raise UserError(f"{data_dir}: every stem is in the validation list; leave some for training")
    return training
