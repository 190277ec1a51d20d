"""Checkpoints of a training run: the weights, and beside them what a resumed run continues from.

`indexnet-3_2700.ckpt` holds the weights after step 2700 of epoch 3, `indexnet-3_2700.resume.npz` the optimiser's state
and the digest of exactly those weights. Both are written whole before either takes its name, so a run killed at any
moment leaves a pair that agrees, or one that is recognised as broken and passed over.
"""
import hashlib
import json
import logging
import re
import shutil
import zipfile
import zlib
from pathlib import Path

import numpy as np

from matting.errors import UserError
from matting.files import atomic_path

log = logging.getLogger(__name__)

RECORD = "record"  # the archive's entry beside the learner's arrays: JSON of step, digest and settings


class Checkpoints:
    """The checkpoints of one training stage in `folder`; the newest `keep` stay."""

    def __init__(self, folder, stage_name, suffix, steps_per_epoch, keep):
        self.folder = Path(folder)
        self.stage_name = stage_name
        self.suffix = suffix
        self.steps_per_epoch = steps_per_epoch
        self.keep = keep
        self.last_good = None

    def paths(self):
        """Weight files, oldest first."""
        name = re.compile(rf"{re.escape(self.stage_name)}-(\d+)_(\d+){re.escape(self.suffix)}")
        matches = [name.fullmatch(path.name) for path in self.folder.iterdir()]
        numbered = sorted((int(match[1]), int(match[2]), match[0]) for match in matches if match)
        return [self.folder / file_name for _, _, file_name in numbered]

    def path(self, step):
        """The weight file of the state after `step` steps; both numbers in its name count from 1."""
        epoch, step_in_epoch = divmod(step - 1, self.steps_per_epoch)
        return self.folder / f"{self.stage_name}-{epoch + 1}_{step_in_epoch + 1}{self.suffix}"

    def save(self, learner, step, settings):
        """Write the learner after `step` steps -> path of the weights; then drop the oldest beyond `keep`.

        settings: what a run must agree in to continue this one, JSON-able. Raises UserError, leaving the earlier
        checkpoints as they were, where the disk refuses and where the learner's state is not finite.
        """
        state = learner.state()
        broken = [name for name, value in state.items() if not np.isfinite(value).all()]
        if broken:
            raise UserError(f"after step {step} the optimiser's {broken[0]} is not finite; {self.advice()}; "
                            "a smaller --learning_rate may help")
        path = self.path(step)
        try:
            with atomic_path(path) as new_weights, atomic_path(_state_path(path)) as new_state:
                learner.save(new_weights)
                record = {"step": step, "weights": _digest(new_weights), "settings": settings}
                np.savez(new_state, **state, **{RECORD: json.dumps(record)})
        except OSError as error:
            self.remove_partial()
            raise UserError(f"{path}: checkpoint not saved ({error.strerror or error}); {self.advice()}") from None
        self.last_good = path
        paths = self.paths()
        for old in paths[:paths.index(path) + 1][:-self.keep]:  # a later one was damaged, and is yet to be replaced
            _state_path(old).unlink(missing_ok=True)
            old.unlink()
        return path

    def keep_best(self, step):
        """Copy the weights after `step` steps to where pruning does not reach them -> path."""
        best = self.folder / f"best{self.suffix}"
        with atomic_path(best) as temporary:
            shutil.copyfile(self.path(step), temporary)
        return best

    def restore(self, learner, settings):
        """Put the newest good checkpoint into the learner -> the steps it has done; 0 where there is no checkpoint.

        A broken one is named in the log, and the one before it is used. Raises UserError where none is good, and where
        the run that wrote it had other settings.
        """
        paths = self.paths()
        for path in reversed(paths):
            try:
                record, state = _read_state(path)
            except UserError as error:
                log.warning("%s; passing over this checkpoint", error)
                continue
            for key, value in settings.items():
                trained_with = record["settings"].get(key, False)  # what is newer than the checkpoint was off
                if trained_with != value:
                    raise UserError(f"{path}: was trained with {key} {trained_with}, not {value}; resume with the "
                                    "settings it was trained with, or start anew in another logs_dir")
            learner.load(path)
            learner.restore(state)
            self.last_good = path
            return record["step"]
        if paths:
            raise UserError(f"{self.folder}: none of the {len(paths)} checkpoints can be resumed from; "
                            "start anew in another logs_dir")
        return 0

    def advice(self):
        """What is left to a run that cannot go on, as half a sentence."""
        if not self.last_good:
            return "there is no checkpoint yet"
        return f"the last good checkpoint is {self.last_good}; the same command with --resume True continues from it"

    def remove_partial(self):
        """Delete what was being written when a run was killed or the disk full; MindSpore leaves a file of its own."""
        for partial in self.folder.glob(f".*{self.stage_name}-*.partial*"):
            partial.unlink()


def stage_result(config, stage_name, suffix):
    """The weights that a finished stage hands on: its best checkpoint, its last where none was validated.

    Raises UserError where there is none.
    """
    folder = config.folder(stage_name)
    best = folder / f"best{suffix}"
    paths = Checkpoints(folder, stage_name, suffix, 1, 1).paths() if folder.is_dir() else []
    if not paths:
        raise UserError(f"{folder}: holds no checkpoint of stage {stage_name}, from which stage {config.stage} starts; "
                        f"train it first with --stage {stage_name}, or all with --stage all")
    return best if best.exists() else paths[-1]


def _state_path(path):
    return path.with_name(f"{path.stem}.resume.npz")


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_state(path):
    """The record and the learner's arrays beside a weight file; raises UserError where the pair is not whole."""
    state_path = _state_path(path)
    try:
        with state_path.open("rb") as file, np.load(file) as archive:
            state = dict(archive)
        record = json.loads(state.pop(RECORD).item())
    except FileNotFoundError:
        raise UserError(f"{path}: {state_path.name} is missing beside it") from None
    except (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError) as error:
        raise UserError(f"{state_path}: is damaged ({error})") from None
    if _digest(path) != record["weights"]:
        raise UserError(f"{path}: is damaged, or not the file that {state_path.name} belongs to")
    return record, state
