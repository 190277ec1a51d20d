"""Which foregrounds train and which validate."""
from collections import Counter
from pathlib import Path

from matting.dataset.aim500 import VALIDATION_STEMS
from matting.errors import UserError, listed


def read_validation_stems(val_list):
    """The stems that `val_list`, a file of one stem a line, puts into the validation split; empty: those of AIM-500."""
    if not val_list:
        return tuple(sorted(VALIDATION_STEMS))
    try:
        lines = Path(val_list).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{val_list}: no such file; --val_list names a file with one validation stem a line") from None
    except UnicodeDecodeError:
        raise UserError(f"{val_list}: is not a text file; write one validation stem a line") from None
    stems = [line.strip() for line in lines if line.strip()]
    repeated = [stem for stem, count in Counter(stems).items() if count > 1]
    if repeated:
        raise UserError(f"{val_list}: names {listed(repeated)} more than once; name each stem once")
    if not stems:
        raise UserError(f"{val_list}: is empty; write one validation stem a line")
    return tuple(sorted(stems))


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
