"""Every command of the README runs as typed, from the root of a copy of the repository, on generated data."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting.dataset.aim500 import VALIDATION_STEMS
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"^```\n(.*?)^```", README, re.M | re.S) for line in block.splitlines()]
COMMANDS.sort(key=lambda command: "ms_impl.predict" in command)  # it needs the checkpoint that the others make

# What the README's capitals stand for here.
PLACEHOLDERS = {"DEVICE_ID": "0", "DEVICE_NUM": "2", "LOGS_CKPT_DIR": "logs", "MOBILENET_CKPT": "mobilenet.pth",
                "DATA_DIR": "AIM-500", "BG_DIR": "train2014", "LOGS_DIR": "eval", "CKPT_URL": "logs/best.ckpt",
                "CKPT": "logs/best.ckpt", "IMAGE": "photo.jpg", "TRIMAP": "trimap.png", "OUT": "mattes"}
# Keys that make a command small; each is a documented flag, and none changes what the command does.
TINY_NETWORK = ["--index_kind", "holistic", "--use_context", "False", "--apply_aspp", "False"]
TRAINING = ["--max_steps", "1", "--batch_size", "2", "--input_size", "64", "--img_size", "32", "64",
            "--num_workers", "1", *TINY_NETWORK]
SMALLER = {
    "python -m data.process_dataset": ["--num_bgs_train", "2", "--num_bgs_val", "1"],
    "bash scripts/run_standalone_train_gpu.sh": TRAINING,
    "bash scripts/run_distribute_train_gpu.sh": TRAINING,
    "bash scripts/run_eval_gpu.sh": ["--img_size", "32", "64"],
    "python export.py": ["--img_size", "32", "64", "--device_target", "CPU"],
    "pytest parity": ["--collect-only"],
}
# These tests are part of `make test`: make only tells what it would run.
SHOWN_ONLY = {f"make {target}": ["make", "-n", target] for target in ("demo", "demo-dim", "test")}
WRITES = {
    "python -m data.process_dataset": "AIM-500/train/data.txt",
    "bash scripts/run_standalone_train_gpu.sh": "logs/best.ckpt",
    "bash scripts/run_distribute_train_gpu.sh": "logs2/best.ckpt",
    "bash scripts/run_eval_gpu.sh": "eval/metrics.json",
    "python export.py": "logs/best.mindir",
    "python -m ms_impl.predict": "mattes/photo_cutout.png",
}
PATIENCE = 600  # seconds for a training in the background, on a busy machine


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the repository's files with AIM-500, train2014, a photograph and ImageNet weights, all generated."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("matting", "ms_impl", "torch_ref", "data", "scripts", "parity", "tests"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ROOT.glob("*.*"):
        if path.is_file():
            shutil.copy(path, clone)
    shutil.copy(ROOT / "Makefile", clone)
    write_aim500(clone)
    write_backbone(clone / "mobilenet.pth")
    return clone


def write_aim500(clone):
    rng = np.random.default_rng(0)
    for folder in ("original", "mask", "trimap"):
        (clone / "AIM-500" / folder).mkdir(parents=True)
    (clone / "train2014").mkdir()
    ramp = np.tile(np.linspace(0, 255, 96, dtype=np.uint8), (72, 1))
    trimap = np.where((ramp > 0) & (ramp < 255), 128, ramp).astype(np.uint8)
    train = ["o_00000001", "o_00000002"]
    for stem in (*VALIDATION_STEMS, *train):
        pixels = rng.integers(0, 256, (72, 96, 3), np.uint8)
        Image.fromarray(pixels).save(clone / "AIM-500/original" / f"{stem}.jpg")
        Image.fromarray(ramp).save(clone / "AIM-500/mask" / f"{stem}.png")
        Image.fromarray(trimap).save(clone / "AIM-500/trimap" / f"{stem}.png")
    for number in range(2 * len(train) + len(VALIDATION_STEMS)):
        Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).save(clone / "train2014" / f"{number:04}.jpg")
    shutil.copy(clone / "AIM-500/original" / f"{train[0]}.jpg", clone / "photo.jpg")
    shutil.copy(clone / "AIM-500/trimap" / f"{train[0]}.png", clone / "trimap.png")


def write_backbone(path):
    import torch

    from matting.config import Config
    from matting.weights.names import torchvision_names
    from torch_ref.model import Encoder

    torch.manual_seed(0)
    config = Config()
    weights = {f"encoder.{name}": value for name, value in Encoder(config.network).state_dict().items()}
    names = torchvision_names([name for name in weights if not name.endswith("num_batches_tracked")],
                              [row[3] for row in config.inverted_residual_setting])
    torch.save({foreign: weights[name] for name, foreign in names.items()}, path)


def typed(command):
    """A line of the README -> the words a user would type, and the flags that make it small."""
    if command in SHOWN_ONLY:
        return SHOWN_ONLY[command]
    words = [PLACEHOLDERS.get(word, word) for word in command.split()]
    smaller = next((flags for start, flags in SMALLER.items() if command.startswith(start)), [])
    if command.startswith("bash scripts/run_distribute"):
        words[words.index("logs")] = "logs2"
    return words + smaller


def run(clone, words):
    python = Path(sys.executable)
    environment = os.environ | {"PATH": f"{python.parent}:{os.environ['PATH']}", "DEVICE_TARGET": "CPU"}
    return subprocess.run(words, cwd=clone, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_command_runs_as_typed(clone, command):
    finished = run(clone, typed(command))
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    output = next((path for start, path in WRITES.items() if command.startswith(start)), None)
    if output:
        wait_until((clone / output).is_file, PATIENCE, f"{output} was not written")  # trained in the background


def test_the_commands_are_found():
    assert sum(command in SHOWN_ONLY for command in COMMANDS) == len(SHOWN_ONLY)
    for start in WRITES:
        assert any(command.startswith(start) for command in COMMANDS), f"the README does not show {start}"
