"""Each kind of image file, each way to be bad or unusual, in each program that reads it: one line, or a good result."""
import argparse
import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data.compose
import data.process_dataset
from data.plan import Settings
from matting.config import Config
from matting.dataset.samples import TrainingSamples
from matting.errors import UserError, entry_point
from matting.images.reading import read_alpha, read_image
from matting.images.writing import write_png
from matting.programs.batch import run
from matting.programs.evaluation import validate, validation_composites
from matting.programs.prediction import Job, add_arguments
from matting.runtimes.network import Network
from matting.trimap import make_trimap
from tests.tiny_data import matte, photograph

SIZE = (48, 64)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One foreground for training, a, one for validation, v, each over one background."""
    root = tmp_path_factory.mktemp("whole")
    rng = np.random.default_rng(0)
    for kind in ("original", "mask", "trimap", "background"):
        (root / kind).mkdir()
    for stem in "av":
        write_png(root / "original" / f"{stem}.png", photograph(*SIZE, rng))
        write_png(root / "mask" / f"{stem}.png", matte(*SIZE))
        write_png(root / "trimap" / f"{stem}.png", make_trimap(matte(*SIZE), 3))
        write_png(root / "background" / f"{stem}.png", photograph(*SIZE, rng))
    (root / "validation.txt").write_text("v")
    return root


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path, dirs_exist_ok=True)


def config_of(root):
    values = {"data_dir": str(root), "bg_dir": str(root / "background"), "val_list": str(root / "validation.txt"),
              "num_bgs_train": 1, "num_bgs_val": 1, "input_size": 32, "img_size": list(SIZE), "composition": "online"}
    return Config(**values)


def prepare(root):
    """Preparation, in this process."""
    def in_turn(function, items, num_workers, on_result, **shared):
        for item in items:
            on_result(item, function(item, **shared))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data.process_dataset, "run_in_processes", in_turn)
        patch.setattr(data.compose, "stopping", lambda: False)
        data.process_dataset.prepare(root, root / "background", Settings(1, 1, False, ("v",)), "fast", 1)


def train(root):
    TrainingSamples(config_of(root)).draw(0, 0)


def evaluate(root):
    config = config_of(root)
    validate(lambda network_input: network_input[:, :1], validation_composites(config), config)


def predict(root):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    files = (str(root / kind / "v.png") for kind in ("original", "trimap"))
    run(Job.of(parser.parse_args([*files, "--background", str(root / "background" / "v.png"), "--strict_trimap",
                                  "-o", str(root / "out")])), lambda: Network(lambda batch: batch[:, :1], Config()))


READERS = {  # programs that read a kind of file
    "original": (prepare, train, evaluate, predict),
    "mask": (prepare, train, evaluate),
    "trimap": (prepare, evaluate, predict),
    "background": (prepare, train, evaluate, predict),
}


# --- bad --------------------------------------------------------------------

def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def another_size(path):
    with Image.open(path) as image:
        image.resize((40, 36), Image.Resampling.NEAREST).save(path)


def transparent(path):
    write_png(path, np.dstack([read_image(path), np.full(SIZE, 200, np.uint8)]))


def coloured(path):
    grey = read_alpha(path)
    write_png(path, np.dstack([grey, grey, grey ^ 1]))


def filled(value):
    return lambda path: write_png(path, np.full(SIZE, value, np.uint8))


MISSING = "holds no .* file|no such file|neither a file nor a colour"
UNREADABLE, OF_ANOTHER_SIZE = "cannot be read as an image .*; replace the file", "they must be of one size"
DEFECTS = [  # file kind, defect, message
    *((kind, Path.unlink, MISSING) for kind in READERS),
    *((kind, truncate, UNREADABLE) for kind in READERS),
    *((kind, another_size, OF_ANOTHER_SIZE) for kind in ("original", "mask", "trimap")),
    *((kind, transparent, "has transparent pixels; flatten it") for kind in ("original", "background")),
    *((kind, coloured, "is a colour image; a matte or trimap has one grey channel") for kind in ("mask", "trimap")),
    ("trimap", filled(255), r"has no unknown pixel \(128\)"),
    ("trimap", filled(127), "has the values 127; a trimap holds"),
]


FORGIVEN = {(transparent, predict)}  # whose user hears of it, and gets a matte


@pytest.mark.parametrize(("kind", "damage", "message"), DEFECTS)
def test_every_program_names_a_bad_file_in_one_line(root, kind, damage, message):
    for path in (root / kind).iterdir():
        damage(path)
    for program in READERS[kind]:
        if (damage, program) in FORGIVEN:
            program(root)
            continue
        with pytest.raises(UserError, match=message) as caught:
            program(root)
        assert "\n" not in str(caught.value) and kind in str(caught.value), program.__name__
    assert not (root / "train" / "data.txt").exists()  # what says that a set is prepared


def test_a_matte_without_soft_pixels_is_composed_but_not_trained_with(root):
    filled(255)(root / "mask" / "a.png")
    with pytest.raises(UserError, match="a.png: has no partly transparent pixel, so there is nothing to learn from"):
        train(root)
    prepare(root)


# --- unusual ----------------------------------------------------------------

def in_16_bits(path):
    Image.fromarray(read_alpha(path).astype(np.uint16) * 257).save(path)


def grey_in_16_bits(path):
    Image.fromarray(read_image(path)[:, :, 0].astype(np.uint16) * 257).save(path)


def grey(path):
    write_png(path, read_image(path)[:, :, 0])


def grey_palette(path):
    Image.fromarray(read_alpha(path)).convert("P").save(path)


def palette(path):
    Image.fromarray(read_image(path)).quantize(64).save(path)


def opaque_rgba(path):
    write_png(path, np.dstack([read_image(path), np.full(SIZE, 255, np.uint8)]))


def lying_on_its_side(path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    with Image.open(path) as image:
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)


@pytest.mark.parametrize(("kind", "change"), [
    *((kind, change) for kind in ("original", "background")
      for change in (grey, grey_in_16_bits, palette, opaque_rgba, lying_on_its_side)),
    *((kind, change) for kind in ("mask", "trimap")
      for change in (in_16_bits, grey_palette, opaque_rgba, lying_on_its_side)),
])
def test_every_program_reads_what_is_unusual_but_whole(root, kind, change):
    """Were rotation not applied, the sizes would differ; what the pixels become is tested in test_files."""
    for path in (root / kind).iterdir():
        change(path)
    for program in READERS[kind]:
        program(root)


# --- folders ----------------------------------------------------------------

def full_disk(path):
    with Path("/dev/full").open("w") as file:
        file.write("x")


def forbidden(path):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))  # the superuser may do everything


@pytest.mark.parametrize(("write", "message"), [
    (lambda path: path.mkdir(exist_ok=True), "taken: is not a folder; choose another"),
    (lambda path: (path / "logs").mkdir(), "taken/logs: is not in a folder; choose another"),
    (forbidden, "taken: permission denied; choose a folder you may write to"),
    (full_disk, "file system: the disk is full; free some space"),
])
def test_a_folder_that_cannot_be_written_ends_any_program_with_one_line(tmp_path, capsys, write, message):
    (tmp_path / "taken").write_text("")

    @entry_point
    def program(argv):
        write(tmp_path / "taken")

    with pytest.raises(SystemExit, match="^1$"):
        program([])
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
