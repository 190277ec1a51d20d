"""The table of keys that each program uses: it reads no others, and it reads all of these."""
import shutil
from collections import defaultdict
from functools import partial

import pytest

import data.process_dataset
import matting.__main__
import ms_impl.eval
import ms_impl.export
import ms_impl.first_look
import ms_impl.predict
import parity.precision
import scripts.version_trial
import torch_ref.eval
import torch_ref.export
import torch_ref.first_look
import torch_ref.predict
import torch_ref.train
from matting.config.programs import PROGRAMS
from tests.recorded_keys import recorded
from tests.small_network import NETWORK, network_flags
from tests.tiny_data import write_trimaps

MODELS = {"indexnet": network_flags({**NETWORK, "use_nonlinear": False, "apply_aspp": False}),
          "dim": ["--model", "dim", "--width_mult", "0.0625"]}
STAGE = {"indexnet": "indexnet", "dim": "encoder_decoder"}
# Read, but without an effect on what the program does.
WITHOUT_EFFECT = {
    "ms_impl.first_look": {"epochs", "max_steps"},  # how long the feed of samples would be
    "torch_ref.first_look": {"epochs", "max_steps"},
    "torch_ref.train": {"is_distributed", "sync_batch_norm"},  # to refuse it; to note it in checkpoints
}
DECIDED = {"device_target", "ckpt_url"}  # by the longer programs themselves
NOT_HERE = {"device_id", "resume", "weights_from"}  # not read on the CPU, and where there is no checkpoint yet


@pytest.fixture(scope="module")
def read(template, tmp_path_factory):
    """{program: keys that it read}, of both models; MindSpore's with IndexNet only."""
    root = shutil.copytree(template, tmp_path_factory.mktemp("read"), dirs_exist_ok=True)
    write_trimaps(root)
    data_dir, size = root / "AIM-500", ["--img_size", "32", "64"]
    data_flags = ["--data_dir", data_dir, "--bg_dir", root / "train2014", "--val_list", root / "validation.txt",
                  "--num_bgs_train", "4", "--num_bgs_val", "2"]
    samples = [*data_flags, "--composition", "online", "--batch_size", "2", "--input_size", "64", *size]
    pair = [data_dir / "original" / "v.jpg", data_dir / "trimap" / "v.png", "-o", root / "mattes"]
    found = defaultdict(set)

    def run(program, *flags):
        noted = root / f"{program.__name__}.txt"
        with recorded(noted):
            program.main([str(flag) for flag in (*flags, "--device_target", "CPU")])
        found[program.__name__.removesuffix(".__main__")].update(noted.read_text().split())

    for model, network in MODELS.items():
        logs = root / model
        run(torch_ref.first_look, *samples, *network)
        run(torch_ref.train, *samples, *network, "--stage", STAGE[model], "--logs_dir", logs, "--max_steps", "1",
            "--num_workers", "1")
        checkpoint, = logs.rglob("best.pth")
        frameworks = (ms_impl, torch_ref) if model == "indexnet" else (torch_ref,)
        for framework in frameworks:
            of_checkpoint = ["--ckpt_url", checkpoint]
            run(framework.eval, *of_checkpoint, *data_flags[:4], *size, "--logs_dir", logs / framework.__name__)
            run(framework.export, *of_checkpoint, *size)
            run(framework.predict, *of_checkpoint, *pair)
        run(matting.__main__, *of_checkpoint, *pair)
    run(ms_impl.first_look, *samples, *MODELS["indexnet"])
    run(data.process_dataset, *data_flags)
    return found


def test_no_program_reads_a_key_that_its_help_hides(read):
    assert read.keys() == PROGRAMS.keys() - {"ms_impl.train", "parity.precision", "scripts.version_trial"}
    for program, keys in read.items():
        hidden = keys - set(PROGRAMS[program].keys) - WITHOUT_EFFECT.get(program, set())
        assert not hidden, f"{program} reads {hidden}"


def test_every_key_that_a_help_shows_is_read(read):
    """MindSpore's programs share their rows with PyTorch's, but for the devices of training and export."""
    for program, keys in read.items():
        if not program.startswith("ms_impl"):
            unread = set(PROGRAMS[program].keys) - keys - NOT_HERE
            assert not unread, f"{program} never reads {unread}"
            mirrored = program.replace("torch_ref", "ms_impl")
            assert set(PROGRAMS[program].keys) <= set(PROGRAMS[mirrored].keys)


def test_a_key_read_in_a_loader_process_is_noted(read):
    assert {"scales", "skip_bad_samples", "img_mean"} <= read["torch_ref.train"]


def test_what_a_program_reads_behind_the_table_is_noted(tmp_path):
    noted = tmp_path / "noted.txt"
    with recorded(noted):
        from matting.config import Config
        from torch_ref.utils import find_device
        find_device(Config(device_target="CPU"))
    assert noted.read_text().split() == ["device_target"]


@pytest.mark.full
@pytest.mark.parametrize("program", [parity.precision, scripts.version_trial])
def test_the_longer_programs_read_no_key_that_their_help_hides(program, monkeypatch, tmp_path):
    monkeypatch.setattr(parity.precision, "train", partial(parity.precision.train, steps=1))
    noted = tmp_path / "noted.txt"
    with recorded(noted):
        program.main([])
    hidden = set(noted.read_text().split()) - set(PROGRAMS[program.__name__].keys) - DECIDED
    assert not hidden
