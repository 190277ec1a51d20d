"""What checkpoints are expected to measure: the figures that their authors published, expected.csv, and our verdict.

A row is for one checkpoint, data set, protocol, img_size and fit; figures of others cannot be compared. Its tolerance
is a share of the figure, up and down, beside half of the last published digit; or the figure is one to stay below.
"""
import csv
from pathlib import Path
from typing import NamedTuple

from matting.config import RESOLVED_NAME, read_yaml
from matting.dataset.aim500 import VALIDATION_STEMS
from matting.dataset.layouts import PREPARED, find_layout
from matting.inference import FITS
from matting.metrics import METRICS

TABLE = Path(__file__).with_name("expected.csv")
AT_MOST = "at most"  # a tolerance
TRAININGS = {False: "trained on 1 GPU", True: "trained on 8 GPUs"}  # is_distributed: checkpoint of a row
VERDICTS = {True: "in range", False: "out of range"}
CONDITIONS = {"protocol": "metric_protocol", "img_size": "img_size", "fit": "fit"}  # column: key of the configuration


class Expected(NamedTuple):
    """A row of expected.csv, each entry as it stands there; an empty figure was not published."""

    checkpoint: str  # name of a published file, or a word of TRAININGS
    data_set: str
    protocol: str
    img_size: str
    fit: str
    sad: str
    mse: str
    grad: str
    conn: str
    tolerance: str
    source: str

    @property
    def figures(self):
        """{metric: number}, of those that were published."""
        return {name: float(getattr(self, name)) for name in METRICS if getattr(self, name)}

    def in_range(self, means):
        """Whether each of the published figures is met by {metric: mean}."""
        return all(low <= means[name] <= high for name, (low, high) in self.limits.items())

    @property
    def limits(self):
        """{metric: (least, largest)}."""
        if self.tolerance == AT_MOST:
            return {name: (0, figure) for name, figure in self.figures.items()}
        share = float(self.tolerance.rstrip(" %")) / 100
        widths = {name: share * figure + half_digit(getattr(self, name)) for name, figure in self.figures.items()}
        return {name: (figure - widths[name], figure + widths[name]) for name, figure in self.figures.items()}


def half_digit(text):
    """Half of the last digit of a printed number: 0.05 of 45.8."""
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def read_table():
    """[Expected] of expected.csv."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return [Expected(**row) for row in csv.DictReader(file)]


def expectations(config, composites):
    """[Expected] of the configured checkpoint on these ValidationComposites, under whatever conditions."""
    data_set = data_set_of(config, composites)
    rows = [row for row in read_table() if row.data_set == data_set]
    published = [row for row in rows if row.checkpoint == Path(config.ckpt_url).name]
    return published or [row for row in rows if row.checkpoint in trainings_of(config.ckpt_url)]


def data_set_of(config, composites):
    """The name of the public data set that ValidationComposites are, whole; None of any other."""
    layout = find_layout(config)
    if layout == PREPARED and {files.mask.stem for files in composites} == set(VALIDATION_STEMS):
        return "AIM-500"
    if layout == "composition_1k" and len(composites) == 1000:
        return "Composition-1k"
    return None


def trainings_of(checkpoint):
    """Which of TRAININGS a checkpoint may come from: the config.yaml beside it tells, or else nothing does."""
    beside = Path(checkpoint).parent / RESOLVED_NAME
    told = read_yaml(beside).get("is_distributed") if beside.is_file() else None
    return tuple(TRAININGS.values()) if told is None else (TRAININGS[told],)


def judge(config, composites, means):
    """What these means are expected to be -> [{column of expected.csv: its entry, "measured": means, "verdict": text}].

    The verdict on a published file that is evaluated under other conditions is that it is not compared.
    """
    found = []
    for row in expectations(config, composites):
        if comparable(row, config):
            found.append({**row._asdict(), "measured": means, "verdict": VERDICTS[row.in_range(means)]})
        elif row.checkpoint not in TRAININGS.values():
            found.append({**row._asdict(), "measured": means, "verdict": f"not compared, which takes {flags_of(row)}"})
    return found


def comparable(row, config):
    """Whether the evaluation's conditions are those of the row."""
    same = {column: getattr(row, column) == as_flag(getattr(config, key)) for column, key in CONDITIONS.items()}
    return all({**same, "fit": FITS[row.fit] == FITS[config.fit]}.values())


def as_flag(value):
    """A key's value as its flag takes it: 1080 1620."""
    return " ".join(map(str, value)) if isinstance(value, tuple) else value


def flags_of(row):
    """The flags that set the row's conditions."""
    return " ".join(f"--{key} {getattr(row, column)}" for column, key in CONDITIONS.items())
