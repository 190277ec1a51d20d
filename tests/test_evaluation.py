"""Evaluation of a prepared set: what it writes, what it measures, what it says of bad files."""
import csv
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from matting import classical
from matting.config import Config
from matting.dataset.aim500 import VALIDATION_STEMS
from matting.dataset.composites import ValidationComposite
from matting.errors import UserError
from matting.images.reading import read_alpha, read_trimap
from matting.images.writing import write_png
from matting.metrics import METRICS, evaluate
from matting.programs import evaluation
from matting.programs.evaluation import ImageResult, evaluate_folder, evaluate_images, validate
from matting.trimap import fuse
from tests.tiny_images import LANDSCAPE, PORTRAIT, write_row


def config_for(root, **changes):
    values = {"data_dir": str(root), "img_size": [64, 96], "ckpt_url": "a.ckpt", **changes}
    return Config(**values)


def write_files(root, name, size, k=0):
    row = write_row(root, name, size, k)
    return ValidationComposite(f"{name}_{k}", root / row.mask, root / row.trimap, root / row.merged)


@pytest.fixture
def composites(tmp_path):
    return [write_files(tmp_path, "lying", LANDSCAPE), write_files(tmp_path, "standing", PORTRAIT),
            write_files(tmp_path, "lying", LANDSCAPE, 1)]


def red_channel(network_input):
    """The perfect network for these images."""
    return network_input[:, :1] * np.float32(0.229) + np.float32(0.485)


def half(network_input):
    return np.full_like(network_input[:, :1], 0.5)


def test_sad_of_a_half_matte_by_hand(tmp_path):
    """64 unknown pixels, truth 1, 0.5 written as 128: 64 (1 - 128 / 255) / 1000, in a frame of the image's size."""
    files = write_files(tmp_path, "square", (32, 64))
    alpha = np.zeros((32, 64), np.uint8)
    alpha[4:12, 4:12] = alpha[20:, 40:] = 255
    trimap = alpha.copy()
    trimap[4:12, 4:12] = 128
    write_png(files.mask, alpha)
    write_png(files.trimap, trimap)
    means = validate(half, [files], config_for(tmp_path, img_size=[32, 64]))
    assert means["sad"] == pytest.approx(64 * (127 / 255) / 1000)
    assert means["mse"] == pytest.approx((127 / 255) ** 2)


@pytest.mark.parametrize("protocol", ["release", "adobe"])
def test_what_is_reported_can_be_measured_again_from_the_files(tmp_path, composites, protocol):
    """Frames of the images' own size, so that the set's files are what the mattes are compared with."""
    config = config_for(tmp_path, img_size=[40, 60], metric_protocol=protocol)
    means = evaluate_folder(half, config, composites, tmp_path / "logs", {"framework": "1.2"})
    with (tmp_path / "logs" / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [line["name"] for line in table] == ["lying_0", "standing_0", "lying_1"]
    for line, files in zip(table, composites, strict=True):
        predicted = read_alpha(tmp_path / "logs" / f"{line['name']}.png")
        alpha, trimap = read_alpha(files.mask), read_trimap(files.trimap)
        assert predicted.shape == alpha.shape  # in the image's own orientation
        np.testing.assert_array_equal(predicted, np.where(trimap == 128, 128, trimap))
        expected = evaluate(predicted / np.float32(255), alpha / np.float32(255), trimap, protocol)
        assert {name: float(line[name]) for name in METRICS} == pytest.approx(expected)
    assert means == {name: pytest.approx(np.mean([float(line[name]) for line in table])) for name in METRICS}
    report = json.loads((tmp_path / "logs" / "metrics.json").read_text())
    assert report["protocol"] == protocol and report["means"] == means and len(report["images"]) == 3
    assert report["versions"].keys() == {"python", "numpy", "opencv", "framework"}


def test_a_perfect_network_scores_near_0_and_a_half_matte_does_not(tmp_path, composites):
    config = config_for(tmp_path)
    perfect, trivial = (validate(predict, composites, config) for predict in (red_channel, half))
    assert perfect["sad"] < 0.02 * trivial["sad"] and perfect["grad"] < 0.02 * trivial["grad"]


def test_a_matte_of_one_half_is_scored_beside_every_prediction(tmp_path, composites):
    config = config_for(tmp_path)
    evaluate_folder(red_channel, config, composites, tmp_path / "logs", {})
    report = json.loads((tmp_path / "logs" / "metrics.json").read_text())
    assert report["half_matte"] == validate(half, composites, config) != report["means"]


def test_validation_measures_the_same_and_writes_nothing(tmp_path, composites):
    config = config_for(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    means = validate(half, composites, config)
    assert sorted(tmp_path.rglob("*")) == before
    assert means == evaluate_folder(half, config, composites, tmp_path / "logs", {})


def test_validation_measures_nothing_but_predictions(tmp_path, composites, monkeypatch):
    measured = []
    monkeypatch.setattr(evaluation, "evaluate", lambda *mattes: measured.append(1) or evaluate(*mattes))
    validate(half, composites, config_for(tmp_path))
    assert len(measured) == len(composites)
    evaluate_folder(half, config_for(tmp_path), composites, tmp_path / "logs", {})
    assert len(measured) == (1 + 2) * len(composites)


def test_log_names_every_image_the_means_and_the_slowest(tmp_path, composites):
    evaluate_folder(half, config_for(tmp_path), composites, tmp_path / "logs", {})
    log = (tmp_path / "logs" / "eval.log").read_text()
    for words in ("lying_0: SAD", "standing_0: SAD", "lying_1: SAD", "mean of 3 images: SAD", "slowest: ",
                  "a.ckpt on 3 images", "release protocol"):
        assert words in log
    assert "expected" not in log  # this is not AIM-500


def summary_of(tmp_path, sad, **changes):
    composites = [ValidationComposite(stem, Path(f"mask/{stem}.png"), None, None) for stem in VALIDATION_STEMS]
    config = config_for(tmp_path, **{"img_size": [1080, 1620], **changes})
    half_matte = {"sad": 99.0, "mse": 0.25, "grad": 50.0, "conn": 98.0}
    results = [ImageResult("o", sad, 0.0096, 13.43, 20.43, 1.0, half_matte)]
    return "\n".join(evaluation._summary(results, evaluation.mean_metrics(results), config, composites))


def test_expected_range_is_told_for_aim_500(tmp_path):
    one, eight = summary_of(tmp_path, 21.51).splitlines()[2:4]
    assert "1 GPU: SAD 24.000" in one and one.endswith(": in range")
    assert "8 GPUs: SAD 24.200" in eight and eight.endswith(": out of range")  # Grad 13.43
    assert "24.000  MSE 0.01200  Grad 13.700  Conn 23.200: out of range" in summary_of(tmp_path, 24.01)


@pytest.mark.parametrize("changes", [{"metric_protocol": "adobe"}, {"img_size": [540, 810]}])
def test_expected_range_is_not_told_where_it_was_not_measured(tmp_path, changes):
    assert "expected" not in summary_of(tmp_path, 21.51, **changes)


def test_measuring_overlaps_prediction(tmp_path, composites):
    """The first image is still being kept when the second is predicted."""
    second_predicted = threading.Event()
    calls = []

    def predict(network_input):
        calls.append(1)
        if len(calls) == 2:
            second_predicted.set()
        return half(network_input)

    def keep(name, pixels):
        assert second_predicted.wait(10)

    assert len(list(evaluate_images(predict, config_for(tmp_path), composites, keep))) == 3


def test_memory_is_bounded(tmp_path, composites):
    """Not many more images are read than measured, however long the list."""
    predicted, measured = [], []

    def predict(network_input):
        predicted.append(1)
        assert len(predicted) - len(measured) <= 2 * evaluation.AHEAD + evaluation.WORKERS
        return half(network_input)

    for result in evaluate_images(predict, config_for(tmp_path), composites * 10):
        measured.append(result)
    assert len(measured) == 30


def test_a_missing_file_is_named_before_the_first_prediction(tmp_path, composites):
    composites[2].merged.unlink()
    with pytest.raises(UserError, match="lying_1.png: no such file"):
        evaluate_folder(lambda _: pytest.fail("predicted"), config_for(tmp_path), composites, tmp_path / "logs", {})


def test_a_damaged_file_is_named_and_what_was_finished_is_kept(tmp_path, composites):
    path = composites[2].merged
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="lying_1.png: cannot be read as an image"):
        evaluate_folder(half, config_for(tmp_path), composites, tmp_path / "logs", {})
    assert read_alpha(tmp_path / "logs" / "lying_0.png").shape == (64, 96)


def test_a_trimap_of_another_size_is_named(tmp_path, composites):
    Image.new("L", (30, 20), 128).save(composites[1].trimap)
    with pytest.raises(UserError, match="trimap/standing.png: is 30x20, but .*standing_0.png is 40x60"):
        validate(half, composites, config_for(tmp_path))


def test_output_that_is_not_finite_is_refused(tmp_path, composites):
    with pytest.raises(UserError, match="not finite"):
        validate(lambda network_input: half(network_input) * np.nan, composites, config_for(tmp_path))


def test_evaluation_names_its_documented_files(tmp_path, composites):
    evaluate_folder(half, config_for(tmp_path), composites, tmp_path / "logs", {})
    assert sorted(path.name for path in Path(tmp_path, "logs").iterdir()) == [
        "eval.log", "lying_0.png", "lying_1.png", "metrics.csv", "metrics.json", "standing_0.png"]


def test_baselines_are_measured_beside_the_network_and_computed_once(tmp_path, composites, monkeypatch):
    """The same matte, whoever predicts it, has the same metrics."""
    computed = []

    def half_alpha(method, image, trimap):
        computed.append((method, image.shape))
        return fuse(np.full(trimap.shape, 0.5, np.float32), trimap)

    monkeypatch.setattr(classical, "estimate_alpha", half_alpha)
    config, folder = config_for(tmp_path), tmp_path / "logs"
    for _ in range(2):
        evaluate_folder(red_channel, config, composites, folder, {}, ("closed_form", "knn"))
    assert sorted(computed) == [(method, size) for method in ("closed_form", "knn")
                                for size in ((64, 96, 3), (96, 64, 3))]  # lying_0 and lying_1 are of equal pixels
    report = json.loads((folder / "metrics.json").read_text())
    assert report["baselines"] == dict.fromkeys(("closed_form", "knn"), report["half_matte"])
    assert report["images"][1]["baselines"]["knn"] == report["images"][1]["half_matte"]
    log = (folder / "eval.log").read_text()
    assert "for scale, closed_form: SAD" in log and "for scale, knn: SAD" in log


def test_a_baseline_that_fails_names_the_image(tmp_path, composites):
    write_png(composites[0].trimap, np.full(LANDSCAPE, 128, np.uint8))
    with pytest.raises(UserError, match="lying_0: closed_form: the trimap has no background .*leave --baselines out"):
        evaluate_folder(half, config_for(tmp_path), composites, tmp_path / "logs", {}, ("closed_form",))
