"""python -m data.composition_1k: the published order and rounding, what is trained on, and each fault in one line."""
import logging
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.composition_1k import compose, main
from matting.config import Config
from matting.dataset.composites import TRAINING_COMPOSITES, VALIDATION_COMPOSITES
from matting.dataset.samples import TrainingSamples
from matting.images.reading import read_image
from matting.programs.evaluation import evaluate_folder, evaluation_composites
from tests.damage import shrink, truncate
from tests.test_evaluation import half
from tests.tiny_adobe import EACH, LICENSED, PICTURES, TEST, TRAINING, save, write_adobe, write_voc

MERGED = [f"{stem}_{k}" for stem in TEST for k in range(EACH)]  # in the order of the backgrounds
SET, OTHER = "Test_set/merged", "Training_set/Other"
JPEGS = "VOCdevkit/VOC2012/JPEGImages"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """adobe, voc and train, whole, as the program left them."""
    root = tmp_path_factory.mktemp("composition_1k")
    write_adobe(root / "adobe")
    write_voc(root / "voc")
    main(arguments(root, "--out", str(root / "train")))
    return root


@pytest.fixture
def root(template, tmp_path):
    """adobe and voc, of which one composite, the last, is missing."""
    for name in ("adobe", "voc"):
        shutil.copytree(template / name, tmp_path / name)
    (tmp_path / "adobe" / SET / f"{MERGED[-1]}.png").unlink()
    return tmp_path


def arguments(root, *more):
    return ["--adobe", str(root / "adobe"), "--voc", str(root / "voc"), "--num_workers", "1", *more]


def as_published(foreground, alpha, background):
    """The data set's own program, pixel by pixel: files -> (H, W, 3)."""
    colours, alpha, behind = Image.open(foreground), Image.open(alpha), Image.open(background)
    width, height = colours.size
    ratio = max(width / behind.size[0], height / behind.size[1])
    if ratio > 1:
        behind = behind.resize((math.ceil(behind.size[0] * ratio), math.ceil(behind.size[1] * ratio)), Image.BICUBIC)
    result = np.zeros((height, width, 3), np.uint8)
    for x in range(width):
        for y in range(height):
            opacity = alpha.getpixel((x, y)) / 255
            result[y, x] = [int(opacity * front + (1 - opacity) * back)
                            for front, back in zip(colours.getpixel((x, y))[:3], behind.getpixel((x, y)), strict=True)]
    return result


# --- what is composed ---------------------------------------------------------

def test_every_composite_has_its_place(template):
    assert {path.stem for path in (template / "adobe" / SET).iterdir()} == set(MERGED)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 19, 20, 39])
def test_composites_are_the_published_programs(template, number):
    """Over pictures that are large enough, too narrow, too low, or both; the second foreground has an opacity."""
    stem = MERGED[number].rpartition("_")[0]
    fg, alpha = (template / "adobe" / LICENSED / role / f"{stem}.png" for role in ("fg", "alpha"))
    wanted = as_published(fg, alpha, template / "voc" / JPEGS / f"2008_{number:06}.jpg")
    found = read_image(template / "adobe" / SET / f"{MERGED[number]}.png")
    np.testing.assert_array_equal(found, wanted)
    other = as_published(fg, alpha, template / "voc" / JPEGS / f"2008_{(number + len(PICTURES)) % 40:06}.jpg")
    assert (found != other).any()


def test_rounding_by_hand():
    """255 * 100 / 255 + 10 * 155 / 255 = 106.08; a picture of 1x2 is enlarged to 3x6, whose top left is taken."""
    alpha = np.full((2, 3), 100, np.uint8)
    colours = np.full((2, 3, 3), 255, np.uint8)
    assert (compose(colours, alpha, Image.new("RGB", (3, 2), (10, 10, 10))) == 106).all()
    assert (compose(colours, alpha, Image.new("RGB", (1, 2), (14, 14, 14))) == 108).all()  # of 108.51
    halves = Image.fromarray(np.repeat(np.uint8([[[0]], [[200]]]), 3, axis=2))
    assert compose(colours, 0 * alpha, halves).max() < 50  # all of it is of the upper half


def test_what_is_there_stays_and_what_is_missing_is_composed(root, template, capsys):
    first, last = (root / "adobe" / SET / f"{MERGED[place]}.png" for place in (0, -1))
    save(first, np.zeros((*TEST["net_1280"], 3), np.uint8))
    (root / "adobe" / SET / ".x.1.partial.png").touch()
    main(arguments(root))
    assert read_image(first).max() == 0
    assert last.read_bytes() == (template / "adobe" / SET / last.name).read_bytes()
    assert len([*(root / "adobe" / SET).iterdir()]) == len(MERGED)
    assert "40 of the published 1,000 images are ready" in capsys.readouterr().out


def test_a_whole_set_takes_no_pictures(template, capsys):
    main(["--adobe", str(template / "adobe")])
    assert "are ready" in capsys.readouterr().out


def test_evaluation_reads_it(template, tmp_path, caplog):
    config = Config(data_dir=str(template / "adobe"), layout="composition_1k", img_size="own", ckpt_url="none.ckpt",
                    metric_protocol="adobe")
    composites = evaluation_composites(config)
    assert [files.name for files in composites] == sorted(MERGED)
    assert all(files.mask.stem == files.name.rpartition("_")[0] and files.trimap.stem == files.name
               for files in composites)
    with caplog.at_level(logging.INFO):
        evaluate_folder(half, config, composites[:2], tmp_path, {})
    assert "mean of 2 images" in caplog.text


# --- what is trained on -------------------------------------------------------

def test_what_trains_and_what_validates(template, tmp_path):
    folder = template / "train"
    config = Config(data_dir=str(folder), bg_dir=str(template / "voc" / JPEGS), composition="online", num_bgs_train=2,
                    num_bgs_val=1, val_list=str(folder / "validation.txt"), input_size=32, cache_dir=str(tmp_path))
    training = TRAINING_COMPOSITES["online"](config)
    drawn = {training.draw(index, np.random.default_rng(0)).original.stem for index in range(len(training))}
    assert drawn == {stem for stems in TRAINING.values() for stem in stems} and len(training) == 2 * len(drawn)
    validation = VALIDATION_COMPOSITES["online"](config)
    assert [files.name for files in validation] == MERGED
    assert all(path.resolve().is_relative_to(template / "adobe") for path in validation[0][1:4])
    assert TrainingSamples(config).draw(epoch=0, index=0).image.shape == (32, 32, 3)


def test_an_opacity_does_not_reach_training(template):
    """Which refuses transparent photographs; the colours are those of the file."""
    flattened = template / "train" / "original" / "glass.png"
    assert not flattened.is_symlink() and (template / "train" / "original" / "net_1280.png").is_symlink()
    stored = np.asarray(Image.open(template / "adobe" / LICENSED / "fg" / "glass.png"))
    np.testing.assert_array_equal(read_image(flattened), stored[:, :, :3])


# --- faults -------------------------------------------------------------------

def copied(name):
    return lambda path: shutil.copy(path, path.with_name(name))


def written(text):
    return lambda path: path.write_text(text)


LISTS, ADOBE, VOC = "adobe/Test_set", f"adobe/{LICENSED}", f"voc/{JPEGS}"
FAULTS = {  # what is wrong: (files, what is done to them, the line)
    "no lists": (["adobe/Test_set"], shutil.rmtree, "test_fg_names.txt: no such file; --adobe names the folder"),
    "an empty list": ([f"{LISTS}/test_bg_names.txt"], written("\n"), "test_bg_names.txt: is empty; restore it"),
    "no list": ([f"{LISTS}/test_bg_names.txt"], lambda path: path.write_bytes(b"\xff"), "txt: is not a text file; res"),
    "a list too short": ([f"{LISTS}/test_bg_names.txt"], written("a.jpg\rb.jpg\r"),
                         "names 2 pictures, not 20 for each of 2 foregrounds"),
    "a repeated name": ([f"{LISTS}/test_fg_names.txt"], written("glass.png\nglass.png"), "names glass more than once"),
    "missing files": ([f"{ADOBE}/fg/glass.png", *(f"{ADOBE}/trimaps/glass_{k}.png" for k in range(7))], Path.unlink,
                      "adobe/Test_set: has no Adobe-licensed images/fg/glass, "
                      + ", ".join(f"Adobe-licensed images/trimaps/glass_{k}" for k in range(7)) + "; restore this"),
    "a missing matte": ([f"{ADOBE}/alpha/net_1280.png"], Path.unlink, "has no Adobe-licensed images/alpha/net_1280;"),
    "surplus files": ([f"{ADOBE}/alpha/glass.png", f"{ADOBE}/trimaps/glass_3.png"], copied("z.png"),
                      "Test_set: holds Adobe-licensed images/alpha/z.png, Adobe-licensed images/trimaps/z.png, of no"),
    "a surplus composite": (["adobe/Test_set/merged/glass_0.png"], copied("glass_20.png"), "holds merged/glass_20.png"),
    "one missing, one surplus": ([f"{ADOBE}/fg/glass.png"], lambda path: path.rename(path.with_name("y.png")),
                                 "no Adobe.* images/fg/glass; restore .* data set; holds Adobe.* images/fg/y.png, of"),
    "two of one name": ([f"{ADOBE}/fg/glass.png"], copied("glass.webp"), "glass.webp: has the same stem as .*glass"),
    "no folder of mattes": ([f"{ADOBE}/alpha"], shutil.rmtree, "alpha: no such folder"),
    "a trimap of another size": ([f"{ADOBE}/trimaps/glass_4.png"], shrink, "glass_4.png: is 40x36, but .* is 44x60"),
    "a composite of another size": (["adobe/Test_set/merged/glass_4.png"], shrink, "glass_4.png: is 40x36, but .* is"),
    "a damaged foreground": ([f"{ADOBE}/fg/glass.png"], truncate, "fg/glass.png: cannot be read as an image"),
    "a matte in colour": ([f"{ADOBE}/alpha/glass.png"], lambda path: save(path, np.uint8([[[1, 2, 3]] * 44] * 60)),
                          "alpha/glass.png: is a colour image"),
    "no PASCAL VOC": (["voc"], shutil.rmtree, "voc: no such folder; --voc names the one of PASCAL VOC"),
    "a missing picture": ([f"{VOC}/2008_000039.jpg"], Path.unlink, "voc: has no 2008_000039.jpg; complete PASCAL VOC"),
    "a damaged picture": ([f"{VOC}/2008_000039.jpg"], truncate, "000039.jpg: cannot be read as an image"),
}
OUT = ["--out", "out"]
TRAINING_FAULTS = {
    "no matte": ([f"adobe/{OTHER}/alpha/veil.png"], copied("a.png"), "Training_set: has no Other/fg/a; restore this"),
    "no foreground": ([f"adobe/{OTHER}/fg/veil.png"], copied("a.png"), "Training_set: has no Other/alpha/a; restore"),
    "in both folders": ([f"adobe/{OTHER}/{role}/veil.png" for role in ("fg", "alpha")], copied("lace.png"),
                        "Training_set: has lace in Adobe-licensed images and in Other; keep one"),
    "in both sets": ([f"adobe/{OTHER}/{role}/veil.png" for role in ("fg", "alpha")], copied("glass.png"),
                     "error: glass: in Training_set and in Test_set; restore both"),
    "no training set": (["adobe/Training_set"], shutil.rmtree, "fg: no such folder"),
}


def failure(options, capsys):
    """The one line that the program ends with."""
    with pytest.raises(SystemExit, match="^1$"):
        main(options)
    line, = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(("fault", "table", "more"), [*((fault, FAULTS, []) for fault in FAULTS),
                                                      *((fault, TRAINING_FAULTS, OUT) for fault in TRAINING_FAULTS)])
def test_each_fault_is_one_line_and_nothing_is_written(root, monkeypatch, capsys, fault, table, more):
    monkeypatch.chdir(root)
    files, damage, line = table[fault]
    for file in files:
        damage(root / file)
    before = sorted(path.name for path in root.rglob("*"))
    assert re.search(line, failure(arguments(root, *more), capsys))
    if fault != "in both sets":  # which is found when the images are composed
        assert sorted(path.name for path in root.rglob("*")) == before
    assert not (root / "out").exists()


def test_other_faults_are_one_line(root, capsys):
    assert "--voc is missing: 1 of the images are still to be" in failure(["--adobe", str(root / "adobe")], capsys)
    assert "adobe: exists; name a new folder" in failure(arguments(root, "--out", str(root / "adobe")), capsys)
    assert "--num_workers 0: must be 1 or more" in failure([*arguments(root), "--num_workers", "0"], capsys)
