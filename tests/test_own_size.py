"""Evaluation of each image at its own size: what is measured, in which pieces, and which programs refuse it."""
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from matting.config import Config, config_parser, config_to_text, load_config, values_of
from matting.dataset.composites import ValidationComposite
from matting.errors import UserError
from matting.images.reading import read_alpha
from matting.images.writing import write_png
from matting.metrics import METRICS, evaluate
from matting.programs import evaluation
from matting.programs.evaluation import evaluate_folder
from matting.programs.export import write_checked
from tests.test_evaluation import config_for, red_channel, write_files

SIZES = {"lying": (40, 60), "standing": (75, 33), "square": (64, 64)}


@pytest.fixture
def composites(tmp_path):
    return [write_files(tmp_path, name, size) for name, size in SIZES.items()]


def own(tmp_path, **changes):
    return config_for(tmp_path, img_size="own", **changes)


@pytest.mark.parametrize(("fit", "sides"), [("up", {(64, 64), (96, 64)}), ("down", {(32, 32), (64, 32), (64, 64)}),
                                            ("pad", {(64, 64), (96, 64)}), ("resize", {(64, 64), (96, 64)})])
def test_each_image_keeps_its_size_and_the_network_sees_its_fit(tmp_path, composites, fit, sides):
    """Measured again from the files, with the set's own mattes."""
    seen = set()

    def predict(network_input):
        seen.add(network_input.shape[2:])
        return red_channel(network_input)

    means = evaluate_folder(predict, own(tmp_path, fit=fit, metric_protocol="adobe"), composites, tmp_path / "logs", {})
    assert seen == sides
    found = []
    for files in composites:
        predicted, alpha = (read_alpha(path) for path in (tmp_path / "logs" / f"{files.name}.png", files.mask))
        assert predicted.shape == alpha.shape == SIZES[files.name[:-2]]
        trimap = np.asarray(Image.open(files.trimap))
        found.append(evaluate(predicted / np.float32(255), alpha / np.float32(255), trimap, "adobe"))
    assert means == {name: pytest.approx(np.mean([values[name] for values in found])) for name in METRICS}


def test_a_large_image_is_matted_in_windows(tmp_path, monkeypatch):
    """Windows of 128x128 at most give what one pass gives, of a network that looks at single pixels."""
    files = [write_files(tmp_path, "large", (200, 330))]
    shapes = []

    def predict(network_input):
        shapes.append(network_input.shape[2:])
        return red_channel(network_input)

    config = own(tmp_path, fit="pad")
    whole = evaluate_folder(predict, config, files, tmp_path / "whole", {})
    assert shapes == [(224, 352)]
    monkeypatch.setattr(evaluation, "WINDOW", 128)
    shapes.clear()
    windows = evaluate_folder(predict, config, files, tmp_path / "windows", {})
    assert len(shapes) > 1 and all(height * width <= 128 ** 2 for height, width in shapes)
    assert windows == {name: pytest.approx(value, abs=1e-4) for name, value in whole.items()}


def test_a_fit_that_reduces_enough_needs_no_windows(tmp_path, monkeypatch):
    """200x330 becomes 192x320, of which a window of 248x248 has one pixel more, though not of 224x352."""
    files, shapes = [write_files(tmp_path, "large", (200, 330))], []
    monkeypatch.setattr(evaluation, "WINDOW", 248)
    for fit in ("down", "up"):
        evaluate_folder(lambda x: shapes.append(x.shape[2:]) or red_channel(x), own(tmp_path, fit=fit), files,
                        tmp_path / fit, {})
    assert shapes[0] == (192, 320) and (224, 352) not in shapes and len(shapes) > 2


def test_the_word_is_taken_from_flags_and_files_and_written():
    config, _ = load_config(config_parser(""), ["--img_size", "own"])
    assert config == Config(img_size="own") and config.img_size == "own"
    assert "img_size: own\n" in config_to_text(config)
    assert values_of("img_size: own", "here") == {"img_size": "own"}


@pytest.mark.parametrize(("value", "line"), [
    ("owl", "img_size 'owl': expected a list such as .* or own"), ([0, 5], "a height and a width in pixels, or own"),
    ([1, 2, 3], "img_size needs 2 entries, not 3")])
def test_other_words_are_refused(value, line):
    with pytest.raises(UserError, match=line):
        Config(img_size=value)
    with pytest.raises(UserError, match="milestones 'own': expected a list such as"):
        Config(milestones="own")


@pytest.mark.parametrize("dynamic", [False, True])
def test_export_refuses_it_in_one_line(tmp_path, dynamic):
    config = SimpleNamespace(img_size="own", ckpt_url=str(tmp_path / "best.ckpt"))
    with pytest.raises(UserError, match="^--img_size own: is for evaluation; pass --img_size HEIGHT WIDTH"):
        write_checked(config, dynamic, ".onnx", None, None, None)
    assert not list(tmp_path.iterdir())


def test_an_image_beyond_memory_says_what_to_do(tmp_path):
    files = [write_files(tmp_path, "large", (40, 60))]

    def predict(network_input):
        raise MemoryError

    with pytest.raises(UserError, match="large_0 .*60x40.*--img_size"):
        evaluate_folder(predict, own(tmp_path), files, tmp_path / "logs", {})


def test_a_trimap_of_another_size_is_still_named(tmp_path):
    files, = [write_files(tmp_path, "large", (40, 60))]
    write_png(tmp_path / "small.png", np.full((20, 30), 128, np.uint8))
    files = ValidationComposite(files.name, files.mask, tmp_path / "small.png", files.merged)
    with pytest.raises(UserError, match="small.png: is 30x20"):
        evaluate_folder(red_channel, own(tmp_path), [files], tmp_path / "logs", {})
