"""Photographs and drawn objects in one training set, and the program that draws, mixes, trains and continues."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import mixed_set, synthetic
from matting.compositing import composite
from matting.dataset.composites import OnlineComposites, prepared_validation
from matting.images.reading import read_alpha, read_image
from matting.trimap import make_trimap
from tests.tiny_data import TRAIN, VALIDATION, tiny_config

ROOT = Path(__file__).resolve().parent.parent
TINY = ["--max_steps", "1", "--batch_size", "2", "--input_size", "64", "--img_size", "64", "64", "--index_kind",
        "holistic", "--use_context", "False", "--apply_aspp", "False", "--amp", "False"]


@pytest.fixture
def photographs(unprepared):
    """The root of a tiny set of photographs, with trimaps."""
    folder = unprepared / "AIM-500"
    (folder / "trimap").mkdir()
    for path in (folder / "mask").iterdir():
        Image.fromarray(make_trimap(read_alpha(path), 4)).save(folder / "trimap" / path.name)
    return unprepared


@pytest.fixture
def mixed(photographs):
    synthetic.main(["--out", str(photographs / "drawn"), "--foregrounds", "6", "--backgrounds", "1", "--size", "64"])
    mixed_set.main(options(photographs))
    return photographs / "set"


def options(root):
    return ["--photographs", f"{root}/AIM-500", "--val_list", f"{root}/validation.txt", "--drawn",
            f"{root}/drawn/foregrounds", "--bg_dir", f"{root}/train2014", "--out", f"{root}/set"]


def test_photographs_are_not_drowned_and_validation_is_not_trained_on(mixed):
    stems = (mixed / "train.txt").read_text().split()
    assert {stems.count(stem) for stem in TRAIN} == {1}  # 6 drawn: 0.45 / 0.55 * 6 / 4 = 1.2
    assert len(stems) == 6 + len(TRAIN) and not set(VALIDATION) & set(stems)
    config = tiny_config(mixed, data_dir=str(mixed), bg_dir=str(mixed / "backgrounds"), composition="online",
                         augmentation="strong", val_list=str(mixed / "validation.txt"),
                         train_list=str(mixed / "train.txt"), num_bgs_train=1)
    composites = OnlineComposites(config)
    drawn = [composites.draw(index, np.random.default_rng(seed)) for seed in range(8)
             for index in range(len(composites))]
    assert {files.original.stem for files in drawn} == set(stems)
    assert {files.original.stem for files in drawn if files.tied} == set(TRAIN)


@pytest.mark.parametrize(("share", "times"), [(0.45, 1), (0.9, 14), (0.01, 1)])
def test_photographs_are_named_as_often_as_their_share_asks(photographs, monkeypatch, share, times):
    """6 drawn and 4 photographs: 0.9 of all is 54, which is 13.5 of each."""
    monkeypatch.setattr(mixed_set, "PHOTOGRAPHED", share)
    synthetic.main(["--out", str(photographs / "drawn"), "--foregrounds", "6", "--backgrounds", "1", "--size", "64"])
    mixed_set.main(options(photographs))
    assert (photographs / "set/train.txt").read_text().split().count("a") == times


def test_the_layers_of_a_photograph_compose_to_it(mixed, photographs):
    alpha, image = read_alpha(mixed / "mask/a.png"), read_image(photographs / "AIM-500/original/a.jpg")
    layers = (read_image(mixed / folder / "a.png") / np.float32(255) for folder in ("original", "background"))
    difference = np.abs(composite(*layers, alpha / np.float32(255)) - image / np.float32(255))
    assert np.median(difference) < 2 / 255 and np.percentile(difference, 95) < 0.15


def test_validation_has_the_photograph_itself_and_it_over_held_out_backgrounds(mixed, photographs):
    composites = prepared_validation(tiny_config(mixed, data_dir=str(mixed)))
    assert [files.name for files in composites] == ["v_0", "v_1", "v_2"]
    assert np.array_equal(read_image(composites[0].merged), read_image(photographs / "AIM-500/original/v.jpg"))
    trained_on = {path.name for path in (mixed / "backgrounds").iterdir()}
    every = {path.name for path in (photographs / "train2014").iterdir()}
    assert trained_on == every - set(sorted(every)[-2:])


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda root: (root / "set").mkdir(), "set: exists; name a new folder with --out"),
    (lambda root: [path.unlink() for path in sorted((root / "train2014").iterdir())[2:]],
     "holds 2 backgrounds, all of them wanted for validation"),
])
def test_what_makes_no_set_is_named(photographs, capsys, spoil, message):
    synthetic.main(["--out", str(photographs / "drawn"), "--foregrounds", "6", "--backgrounds", "1", "--size", "64"])
    spoil(photographs)
    with pytest.raises(SystemExit, match="^1$"):
        mixed_set.main(options(photographs))
    assert message in capsys.readouterr().err
    assert not list(photographs.glob(".set.*"))


def test_one_command_draws_mixes_trains_and_goes_on(photographs, tmp_path):
    command = [sys.executable, "-m", "scripts.train_weights", "--photographs", f"{photographs}/AIM-500", "--val_list",
               f"{photographs}/validation.txt", "--bg_dir", f"{photographs}/train2014", "--folder", f"{tmp_path}/all",
               "--drawn", "19", "--size", "64", *TINY]
    for steps in (1, 2):
        finished = subprocess.run([*command, "--max_steps", str(steps)], cwd=ROOT, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stderr
        assert f"from step {steps - 1} to {steps}" in finished.stdout
    records = [json.loads(line) for line in (tmp_path / "all/logs/metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "validation" in record] == [1, 2]
    assert (tmp_path / "all/logs/best.pth").is_file()
