"""Validation means lie in the expected range: AIM-500's in the documented one, the drawn set's in the measured one."""
import json
import os
from pathlib import Path

import numpy as np
import pytest

import ms_impl.eval
from matting.config import RESOLVED_NAME, read_yaml
from matting.metrics import METRICS
from matting.programs.expected import read_table
from parity.spread import TRAININGS, draw, expected_range, read_record, train

NEEDED = {"AIM500_DIR": "the folder that data.process_dataset prepared", "INDEXNET_CKPT": "a trained checkpoint"}


def condition(checkpoint):
    """The row of the documented range for a checkpoint: what the configuration beside it says of its training."""
    beside = Path(checkpoint).parent / RESOLVED_NAME
    distributed = beside.is_file() and read_yaml(beside)["is_distributed"]
    return "trained on 8 GPUs" if distributed else "trained on 1 GPU"


def limits_of(condition):
    """{metric: the documented largest mean}."""
    row, = (row for row in read_table() if row.checkpoint == condition)
    return row.figures


def assert_in_range(means, limits):
    for name in METRICS:
        assert means[name] <= limits[name], f"{name} {means[name]:.4g} > {limits[name]:.4g}"


@pytest.mark.skipif(not all(map(os.environ.get, NEEDED)), reason="; ".join(
    f"set {name} to {meaning}" for name, meaning in NEEDED.items()))
def test_means_are_in_the_documented_range(tmp_path):
    checkpoint = os.environ["INDEXNET_CKPT"]
    ms_impl.eval.main(["--data_dir", os.environ["AIM500_DIR"], "--ckpt_url", checkpoint, "--logs_dir", str(tmp_path),
                       "--device_target", os.environ.get("DEVICE_TARGET", "CPU")])
    assert_in_range(json.loads((tmp_path / "metrics.json").read_text())["means"],
                    limits_of(condition(checkpoint)))


@pytest.mark.parametrize("lines, expected", [(None, "trained on 1 GPU"), ("is_distributed: False", "trained on 1 GPU"),
                                             ("is_distributed: True", "trained on 8 GPUs")])
def test_the_condition_is_read_beside_the_checkpoint(tmp_path, lines, expected):
    if lines:
        (tmp_path / RESOLVED_NAME).write_text(lines)
    assert condition(tmp_path / "best.ckpt") == expected


def test_a_metric_out_of_range_is_named():
    limits = limits_of("trained on 1 GPU")
    assert_in_range(limits, limits)
    with pytest.raises(AssertionError, match=r"^grad 13\.71 > 13\.7"):
        assert_in_range(limits | {"grad": 13.71}, limits)


# --- the drawn set ---

SHORT = TRAININGS["short"]
NEW_SEED = SHORT.seeds  # the range was measured over others


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The folder of the short training's set."""
    folder = tmp_path_factory.mktemp("drawn") / "set"
    draw(SHORT, folder)
    return folder


def assert_in_measured_range(means):
    """Raise AssertionError naming the first mean that no seed of either framework's short training explains.

    So few steps leave the metrics to the initial weights, and their ranges wide; the loss tells what has not learnt.
    """
    sides = read_record("short").values()
    for name in (*METRICS, "loss"):
        least, largest = expected_range(np.concatenate([side[name] for side in sides]))
        assert least <= means[name] <= largest, f"{name} {means[name]:.4g} is not in {least:.4g}..{largest:.4g}"


@pytest.mark.parametrize("framework", ["torch", pytest.param("mindspore", marks=pytest.mark.full)])
def test_a_short_training_ends_in_the_measured_range(drawn, tmp_path, framework):
    assert_in_measured_range(train(framework, SHORT, drawn, tmp_path, NEW_SEED))


@pytest.mark.parametrize("changes", [
    {"max_steps": 1}, pytest.param({"learning_rate": 1e-6}, marks=pytest.mark.full)], ids=["one step", "no rate"])
def test_what_has_not_learnt_does_not(drawn, tmp_path, changes):
    with pytest.raises(AssertionError, match=f"^({'|'.join(METRICS)}|loss) .* is not in"):
        assert_in_measured_range(train("torch", SHORT, drawn, tmp_path, NEW_SEED, **changes))


def test_a_range_holds_one_more_of_the_same_but_for_one_in_a_thousand():
    """Of mean 2 and deviation 1, over 3 seeds: Student's t of 2 degrees of freedom is 31.6, times sqrt(4 / 3)."""
    least, largest = expected_range(np.array([1, 2, 3]))
    assert least == pytest.approx(2 - 31.599 * (4 / 3) ** 0.5, rel=1e-4) and largest == pytest.approx(4 - least)
