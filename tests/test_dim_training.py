"""Deep Image Matting's three stages, by both programs: what each starts from, changes and leaves as it was."""
import json

import cv2
import mindspore as ms
import numpy as np
import pytest
import torch

import export
import ms_impl.eval
import ms_impl.first_look
import ms_impl.learner
import ms_impl.train
import torch_ref.eval
import torch_ref.first_look
import torch_ref.learner
import torch_ref.train
from matting.config import config_parser, load_stages
from matting.weights.files import read_weights
from ms_impl import lite
from tests.tensorboard import board
from tests.tiny_data import write_prepared_set

STAGES = ("encoder_decoder", "refine", "finetune")
FRAMEWORKS = {"mindspore": ms_impl, "torch": torch_ref}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_prepared_set(root)
    return root


def flags(data, logs, *more):
    return ["--model", "dim", "--width_mult", "0.125", "--data_dir", str(data / "AIM-500"),
            "--bg_dir", str(data / "train2014"), "--logs_dir", str(logs), "--batch_size", "2", "--input_size", "64",
            "--num_workers", "1", "--img_size", "32", "64", "--epochs", "1", "--max_steps", "2",
            "--learning_rate", "0.01", "--device_target", "CPU", *more]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def trained(request, data, tmp_path_factory):
    """A framework, the folder of a training through all stages, and the weights that each stage ended with."""
    framework = FRAMEWORKS[request.param]
    logs = tmp_path_factory.mktemp("logs")
    framework.train.main(flags(data, logs))
    return framework, logs, {stage: read_weights(last(logs / stage, suffix_of(framework))) for stage in STAGES}


def suffix_of(framework):
    return framework.learner.Learner.suffix


def last(folder, suffix):
    path, = folder.glob(f"{folder.name}-*{suffix}")
    return path


def changed(before, after):
    assert before.keys() == after.keys()
    return {name for name in before if not np.array_equal(before[name], after[name])}


def test_the_second_stage_changes_the_refinement_and_nothing_else(trained):
    weights = trained[2]
    by_refine = changed(weights["encoder_decoder"], weights["refine"])
    assert by_refine == {name for name in weights["refine"] if name.startswith("refinement.")}
    assert any("running_mean" in name for name in by_refine)


def test_the_third_stage_changes_everything(trained):
    weights = trained[2]
    assert changed(weights["refine"], weights["finetune"]) == set(weights["finetune"])


def test_a_stage_starts_from_a_whole_network_of_which_no_flag_tells(trained, data, tmp_path):
    framework, logs, before = trained
    suffix = suffix_of(framework)
    framework.train.main([*flags(data, tmp_path)[4:], "--val_every", "0", "--stage", "refine",
                          "--ckpt_url", str(last(logs / "encoder_decoder", suffix))])
    after = read_weights(last(tmp_path / "refine", suffix))
    assert changed(before["encoder_decoder"], after) == changed(before["encoder_decoder"], before["refine"])


def test_each_stage_validates_and_keeps_its_best(trained):
    framework, logs, _ = trained
    for stage in STAGES:
        records = [json.loads(line) for line in (logs / stage / "metrics.jsonl").read_text().splitlines()]
        validation, = [record["validation"] for record in records if "validation" in record]
        assert all(validation[metric] > 0 for metric in ("sad", "mse", "grad", "conn"))
        assert (logs / stage / f"best{suffix_of(framework)}").exists()
        assert f"refine: {stage != 'encoder_decoder'}".lower() in (logs / stage / "config.yaml").read_text().lower()


PICTURES = ("background", "foreground", "input", "true_alpha", "predicted_alpha", "composite_with_predicted_alpha")


def test_each_stage_shows_its_curves_and_pictures(trained):
    learning = {"encoder_decoder": {"encoder", "pools", "bridge", "decoder", "prediction"}, "refine": {"refinement"}}
    learning["finetune"] = learning["encoder_decoder"] | learning["refine"]
    for stage in STAGES:
        shown = board(trained[1] / stage)
        assert [step for step, _ in shown["training/loss"]] == [1, 2]
        assert all(value.simple_value > 0 for _, value in shown["training/loss"] + shown["validation/sad"])
        assert {tag for tag in shown if tag.startswith("learning_rate/")} == {
            f"learning_rate/{part}" for part in learning[stage]}
        for name in PICTURES:
            (step, value), = shown[name]
            pixels = cv2.imdecode(np.frombuffer(value.image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
            assert step == 2 and pixels.shape == (64, 64, 3) and pixels.std() > 0, (stage, name)


def test_every_stage_can_be_resumed(trained, data):
    framework, logs, before = trained
    framework.train.main(flags(data, logs, "--resume", "True"))
    for stage in STAGES:
        assert not changed(read_weights(last(logs / stage, suffix_of(framework))), before[stage])


def test_a_stage_is_evaluated_with_its_own_configuration(trained, data, tmp_path):
    framework, logs, _ = trained
    framework.eval.main(["--ckpt_url", str(logs / "finetune" / f"best{suffix_of(framework)}"), "--data_dir",
                         str(data / "AIM-500"), "--logs_dir", str(tmp_path), "--img_size", "32", "64",
                         "--device_target", "CPU"])
    assert json.loads((tmp_path / "metrics.json").read_text())["means"]["sad"] > 0


def test_unpooling_survives_export_and_reload(trained, capsys):
    """... since the exporting program compares what it wrote with the checkpoint before it keeps it."""
    framework, logs, _ = trained
    file_format, suffix = ("MINDIR", ".mindir") if framework is ms_impl else ("ONNX", ".onnx")
    checkpoint = logs / "finetune" / f"best{suffix_of(framework)}"
    export.main(["--ckpt_url", str(checkpoint), "--img_size", "32", "64", "--device_target", "CPU", "--file_format",
                 file_format, *(["--dynamic"] if framework is torch_ref else [])])
    assert f"{checkpoint.with_suffix(suffix)}: written, reloaded and compared" in capsys.readouterr().out
    if framework is ms_impl:
        lite.for_lite(checkpoint.with_suffix(suffix).read_bytes())  # raises where MindSpore Lite does not compute it


def test_exporting_unpooling_for_any_size_is_refused_in_one_line(capsys):
    with pytest.raises(SystemExit):
        export.main(["--model", "dim", "--ckpt_url", "best.ckpt", "--dynamic", "--device_target", "CPU"])
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: --dynamic: unpooling") and "--img_size HEIGHT WIDTH" in told


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_a_stage_without_the_one_before_it_says_so(framework, data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        framework.train.main(flags(data, tmp_path, "--stage", "finetune"))
    assert "holds no checkpoint of stage refine, from which stage finetune starts" in capsys.readouterr().err


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=FRAMEWORKS)
def test_a_first_look_prints_shapes_and_both_losses(framework, data, tmp_path, capsys):
    framework.first_look.main(flags(data, tmp_path, "--composition", "online"))
    printed = dict(line.split(": ") for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert printed["input"].startswith("(2, 4, 64, 64), ") and printed["label (11 channels)"].startswith("(2, 11, 64")
    assert printed["predicted alpha"].startswith("(2, 1, 64, 64), ")
    assert 0 < float(printed["alpha loss"]) < 1 and 0 < float(printed["composition loss"]) < 3


def test_stages_have_their_documented_settings_and_flags_beat_them():
    def stages(*argv):
        return load_stages(config_parser(""), ["--model", "dim", *argv])

    settings = [(config.stage, config.learning_rate, config.lr_decay, config.milestones, config.refine)
                for config in stages()]
    assert settings[:2] == [("encoder_decoder", 1e-4, 0.5, (5, 10, 30), False),
                            ("refine", 1e-4, 0.2, (3, 10, 30), True)]
    assert [(config.epochs, config.batch_size) for config in stages()] == 3 * [(50, 16)]
    assert [config.learning_rate for config in stages("--learning_rate", "0.5")] == 3 * [0.5]
    assert [config.stage for config in stages("--stage", "refine")] == ["refine"]
    assert [config.stage for config in load_stages(config_parser(""), [])] == ["indexnet"]


def momentum_by_hand(weights, gradients, rate):
    """v = 0.9 v + g + 1e-5 w, w = w - rate v, in float64."""
    velocity = np.zeros(weights.shape)
    weights = weights.astype(np.float64)
    for gradient in gradients:
        velocity = 0.9 * velocity + gradient + 1e-5 * weights
        weights = weights - rate * velocity
    return weights


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_momentum_is_the_documented_one_with_weight_decay(framework):
    rng = np.random.default_rng(0)
    start = (1000 * rng.standard_normal(50)).astype(np.float32)  # so large that the decay shows
    gradients = rng.standard_normal((4, 50)).astype(np.float32)
    if framework == "mindspore":
        parameter = ms.Parameter(ms.Tensor(start), name="weight")
        optimiser = ms_impl.learner.Momentum([([parameter], 0.5)])
        for gradient in gradients:
            optimiser((ms.Tensor(gradient),), ms.Tensor(0.2, ms.float32))
        found = parameter.asnumpy()
    else:
        parameter = torch.nn.Parameter(torch.tensor(start))
        optimiser = torch_ref.learner.Momentum([([parameter], 0.5)])
        optimiser.set_rate(0.2)
        for gradient in gradients:
            parameter.grad = torch.tensor(gradient)
            optimiser.step()
        found = parameter.detach().numpy()
    expected = momentum_by_hand(start, gradients, 0.1)
    np.testing.assert_allclose(found, expected, rtol=3e-7)
    without_decay = start + momentum_by_hand(0 * start, gradients, 0.1)
    assert abs(expected / without_decay - 1).max() > 3e-6
