"""How far seeds scatter what a training on the drawn set reaches, in both frameworks: python -m parity.spread.

The same steps on the same samples, by both programs, each from initial weights and an order of samples that a seed
decides. Validation's means are kept in parity/spread.json, where the suite reads which differences mean nothing.
Interrupted, the same command continues.
"""
import argparse
import itertools
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

import data.process_dataset
import data.synthetic
from matting.errors import entry_point
from matting.files import atomic_path
from matting.progress import JOURNAL_NAME

RECORD = Path(__file__).with_suffix(".json")
PROGRAMS = {"torch": "torch_ref.train", "mindspore": "ms_impl.train"}
SETTINGS = {"input_size": 64, "batch_size": 4, "learning_rate": 0.003, "backbone_lr_mult": 1, "img_size": (224, 224),
            "metric_protocol": "adobe", "num_workers": 1, "keep_checkpoint_max": 1, "val_every": 100, "log_every": 20}


class Training(NamedTuple):
    """A set to draw and a training on it."""

    drawn: dict  # flags of data.synthetic
    settings: dict  # flags of the training programs, and of data.process_dataset
    seeds: int


TRAININGS = {
    # the set of `make demo`; every part and block of the default network, a quarter as wide
    "long": Training({}, SETTINGS | {"num_bgs_train": 6, "num_bgs_val": 2, "max_steps": 200, "epochs": 6,
                                     "milestones": (5,), "width_mult": 0.25}, seeds=3),
}


def draw(training, folder):
    """Draw a training's set in `folder` and prepare it; what is there already stays."""
    if not folder.exists():
        data.synthetic.main(flags({"out": folder} | training.drawn))
    if not (folder / "foregrounds/train/data.txt").exists():
        data.process_dataset.main(flags(of_set(folder) | {key: training.settings[key] for key in
                                                          ("num_bgs_train", "num_bgs_val")}))


def train(framework, training, folder, logs, seed):
    """Train with a framework's program on the set in `folder` -> {metric: mean over validation} after the last step.

    What `logs` holds of an earlier call is continued.
    """
    journal = logs / JOURNAL_NAME
    settings = of_set(folder) | training.settings | {"logs_dir": logs, "seed": seed, "device_target": "CPU"}
    if not validations(journal):
        command = [sys.executable, "-m", PROGRAMS[framework], *flags(settings | {"resume": True})]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    return validations(journal)[-1]


def validations(journal):
    """[{metric: mean}] that a training noted; the only one is that after the last step."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    return [record["validation"] for record in map(json.loads, lines) if "validation" in record]


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


@entry_point
def main(argv=None):
    parser = argparse.ArgumentParser(description="Measure how far seeds scatter what a training reaches.")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/spread"), metavar="FOLDER",
                        help="for drawn sets and logs (default: build/spread)")
    parser.add_argument("--only", choices=PROGRAMS, help="train with this framework and record nothing")
    own = parser.parse_args(argv)
    found = {}
    for name, training in TRAININGS.items():
        draw(training, own.output / name / "set")
        runs = found[name] = {framework: [] for framework in ([own.only] if own.only else PROGRAMS)}
        for seed, framework in itertools.product(range(training.seeds), runs):
            logs = own.output / name / f"{framework}-{seed}"
            runs[framework].append(train(framework, training, own.output / name / "set", logs, seed))
            if not own.only:
                write_record(found)
        print(table(name, runs))


def table(name, runs):
    """A line for each framework and metric: mean, standard deviation over seeds, and each seed's value."""
    return "\n".join(
        f"{name:6} {framework:10} {metric:5} {values.mean():8.4g} +- {values.std(ddof=1):8.2g}  "
        f"{' '.join(f'{value:.4g}' for value in values)}"
        for framework, means in runs.items() for metric, values in by_metric(means).items())


def write_record(found):
    """found: {training: {framework: [{metric: mean}]}}, as far as it is measured."""
    record = {"versions": {library: version(library) for library in PROGRAMS}, "trainings": found}
    with atomic_path(RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
