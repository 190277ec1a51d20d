"""AIM-500's validation set, evaluated: the means lie in the documented range of the condition they were trained in."""
import json
import os
from pathlib import Path

import pytest

import ms_impl.eval
from matting.aim500 import EXPECTED_AT_MOST
from matting.config import RESOLVED_NAME, read_yaml
from matting.metrics import METRICS

NEEDED = {"AIM500_DIR": "the folder that data.process_dataset prepared", "INDEXNET_CKPT": "a trained checkpoint"}


def condition(checkpoint):
    """The row of the documented range for a checkpoint: what the configuration beside it says of its training."""
    beside = Path(checkpoint).parent / RESOLVED_NAME
    distributed = beside.is_file() and read_yaml(beside)["is_distributed"]
    return "trained on 8 GPUs" if distributed else "trained on 1 GPU"


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
                    EXPECTED_AT_MOST[condition(checkpoint)])


@pytest.mark.parametrize("lines, expected", [(None, "trained on 1 GPU"), ("is_distributed: False", "trained on 1 GPU"),
                                             ("is_distributed: True", "trained on 8 GPUs")])
def test_the_condition_is_read_beside_the_checkpoint(tmp_path, lines, expected):
    if lines:
        (tmp_path / RESOLVED_NAME).write_text(lines)
    assert condition(tmp_path / "best.ckpt") == expected


def test_a_metric_out_of_range_is_named():
    limits = EXPECTED_AT_MOST["trained on 1 GPU"]
    assert_in_range(limits, limits)
    with pytest.raises(AssertionError, match=r"^grad 13\.71 > 13\.7"):
        assert_in_range(limits | {"grad": 13.71}, limits)
