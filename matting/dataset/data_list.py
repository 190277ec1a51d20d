"""data.txt: the rows that name the files of prepared composites."""
from pathlib import Path
from typing import NamedTuple

from matting.errors import UserError

SEPARATOR = "|"  # between the fields of a row; a row is written with SEPARATOR.join(row)


class TrainRow(NamedTuple):
    """A line of train/data.txt; paths with `/`, relative to data_dir, the background's relative to bg_dir."""

    merged: str
    mask: str
    original: str
    background: str


class ValidationRow(NamedTuple):
    """A line of validation/data.txt; paths with `/`, relative to data_dir."""

    merged: str
    mask: str
    trimap: str


def read_rows(data_txt, row_type):
    """The rows of a prepared set's data.txt, as a list of `row_type` (TrainRow or ValidationRow).

    Raises UserError for a missing or empty file, and for a line that has not exactly row_type's fields.
    """
    try:
        lines = Path(data_txt).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{data_txt}: no such file; prepare the data with python -m data.process_dataset") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{data_txt}: is not UTF-8 text ({error.reason} at byte {error.start}); "
                        "prepare the data again") from None
    if not lines:
        raise UserError(f"{data_txt}: is empty; prepare the data with python -m data.process_dataset")
    return [_parse(line, row_type, f"{data_txt}, line {number}") for number, line in enumerate(lines, start=1)]


def _parse(line, row_type, place):
    fields = line.split(SEPARATOR)
    if len(fields) != len(row_type._fields) or not all(fields):
        raise UserError(f"{place}: {line!r} is not of the form {SEPARATOR.join(row_type._fields)}; "
                        "mend the line or prepare the data again")
    return row_type(*fields)
