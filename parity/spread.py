"""How far seeds scatter what a training on the drawn set reaches, in both frameworks: python -m parity.spread.

The same steps on the same samples, by both programs, each from initial weights and an order of samples that a seed
decides. Validation's means and the last mean loss are kept in parity/spread.json, where the suite reads which
differences mean nothing, and in which range one more training must end.
Interrupted, the same command continues.
"""
import itertools
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

import data.process_dataset
import data.synthetic
from matting.errors import entry_point
from matting.files import atomic_path
from matting.training.reporting import JOURNAL_NAME
from matting.usage import program_parser
from parity.networks import SHORT

RECORD = Path(__file__).with_suffix(".json")
PROGRAMS = {"torch": "torch_ref.train", "mindspore": "ms_impl.train"}
CONFIDENCE = 0.999  # that one more run's mean lies in the expected range
SETTINGS = {"input_size": 64, "batch_size": 4, "learning_rate": 0.003, "backbone_lr_mult": 1, "img_size": (224, 224),
            "metric_protocol": "adobe", "num_workers": 1, "keep_checkpoint_max": 1, "val_every": 100, "log_every": 20,
            "num_bgs_val": 2, "width_mult": 0.25}


class Training(NamedTuple):
    """A set to draw and a training on it."""

    drawn: dict  # flags of data.synthetic
    settings: dict  # flags of the training programs, and of data.process_dataset where it is prepared
    seeds: int


TRAININGS = {
    # what the suite can afford: smaller pictures, one block a stage
    "short": Training({"foregrounds": 30, "backgrounds": 22, "size": 160},
                      SETTINGS | {"composition": "online", "num_bgs_train": 2, "max_steps": 60, "epochs": 5,
                                  "milestones": (4,), "learning_rate": 0.005, "img_size": (160, 160),
                                  "inverted_residual_setting": json.dumps(SHORT["inverted_residual_setting"])},
                      seeds=6),
    # the set of `make demo`; every part and block of the default network, a quarter as wide
    "long": Training({}, SETTINGS | {"num_bgs_train": 6, "max_steps": 200, "epochs": 6, "milestones": (5,)}, seeds=3),
}


def draw(training, folder):
    """Draw a training's set in `folder`, and prepare it unless it is composed online; what is there already stays."""
    if not folder.exists():
        data.synthetic.main(flags({"out": folder} | training.drawn))
    if "composition" not in training.settings and not (folder / "foregrounds/train/data.txt").exists():
        data.process_dataset.main(flags(of_set(folder) | {key: training.settings[key] for key in
                                                          ("num_bgs_train", "num_bgs_val")}))


def train(framework, training, folder, logs, seed, **changes):
    """Train with a framework's program on the set in `folder` -> {metric: mean over validation} after the last step.

    And "loss": the mean over the last log_every steps. What `logs` holds of an earlier call is continued.
    """
    journal = logs / JOURNAL_NAME
    settings = of_set(folder) | training.settings | {"logs_dir": logs, "seed": seed, "device_target": "CPU"} | changes
    if not of_journal(journal, "validation"):
        command = [sys.executable, "-m", PROGRAMS[framework], *flags(settings | {"resume": True})]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return of_journal(journal, "validation")[-1] | {"loss": of_journal(journal, "loss")[-1]}


def of_journal(journal, key):
    """What a training noted under a key, in order; the only validation is that after the last step."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    return [record[key] for record in map(json.loads, lines) if key in record]


def of_set(folder):
    foregrounds = folder / "foregrounds"
    return {"data_dir": foregrounds, "bg_dir": folder / "backgrounds", "val_list": foregrounds / "validation.txt"}


def flags(settings):
    """{key: value} as the words of a command line."""
    return [str(word) for key, value in settings.items()
            for word in (f"--{key}", *(value if isinstance(value, tuple) else [value]))]


def read_record(name):
    """{framework: {metric: means of a training's runs, one a seed}} as the repository keeps them."""
    return {framework: by_metric(runs) for framework, runs in
            json.loads(RECORD.read_text(encoding="utf-8"))["trainings"][name].items()}


def by_metric(runs):
    """[{metric: mean}] -> {metric: array of means}."""
    return {metric: np.array([run[metric] for run in runs]) for metric in runs[0]}


def expected_range(values):
    """(least, largest) value of one more run like those that gave `values`: the normal prediction interval."""
    scale = np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
    return stats.t.interval(CONFIDENCE, len(values) - 1, np.mean(values), scale)


@entry_point
def main(argv=None):
    parser = program_parser("parity.spread", __doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/spread"), metavar="FOLDER",
                        help="for drawn sets and logs (default: build/spread)")
    parser.add_argument("--only", choices=TRAININGS, help="measure this training; what is recorded of others stays")
    parser.add_argument("--seeds", type=int, metavar="NUMBER", help="train from so many (default: 6 short, 3 long)")
    own = parser.parse_args(argv)
    for name in [own.only] if own.only else TRAININGS:
        training = TRAININGS[name]
        runs = measure(training._replace(seeds=own.seeds or training.seeds), own.output / name)
        write_record(name, runs)
        print(table(name, runs))


def measure(training, folder):
    """Train from every seed in both frameworks -> {framework: [{metric: mean}], one a seed}."""
    draw(training, folder / "set")
    runs = {framework: [] for framework in PROGRAMS}
    for seed, framework in itertools.product(range(training.seeds), PROGRAMS):
        runs[framework].append(train(framework, training, folder / "set", folder / f"{framework}-{seed}", seed))
    return runs


def table(name, runs):
    """A line for each framework and metric: mean, standard deviation over seeds, and each seed's value."""
    return "\n".join(
        f"{name:6} {framework:10} {metric:5} {values.mean():8.4g} +- {values.std(ddof=1):8.2g}  "
        f"{' '.join(f'{value:.4g}' for value in values)}"
        for framework, means in runs.items() for metric, values in by_metric(means).items())


def write_record(name, runs):
    """Put a training's runs, {framework: [{metric: mean}]}, into the record, and with which versions they were made."""
    trainings = json.loads(RECORD.read_text(encoding="utf-8"))["trainings"] | {name: runs}
    record = {"versions": {library: version(library) for library in PROGRAMS}, "trainings": trainings}
    with atomic_path(RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
