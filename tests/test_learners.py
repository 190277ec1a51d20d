"""Both frameworks' learners and training programs, each alone: the optimiser, what learns, resuming, no GPU."""
import json
import logging
import math
from dataclasses import replace
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest
import torch

import ms_impl.learner
import ms_impl.registry
import ms_impl.src.utils
import ms_impl.train
import torch_ref.learner
import torch_ref.registry
import torch_ref.train
import torch_ref.utils
from matting.embedded import embedded
from matting.training.moving_average import MovingAverage
from matting.weights.files import read_weights
from tests.small_network import NETWORK, network_flags
from tests.tiny_data import prepare_data_set, tiny_config, write_data_set

SIDE = 64
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def seed_both(seed):
    ms.set_seed(seed)
    torch.manual_seed(seed)


FRAMEWORKS = {
    "mindspore": SimpleNamespace(
        package=ms_impl, prepare=ms_impl.src.utils.set_device,
        parameter=lambda name, values: ms.Parameter(ms.Tensor(values), name=name),
        clip=lambda limit, gradients: [gradient.asnumpy() for gradient in ms_impl.learner.ClipNorm(limit)(
            tuple(map(ms.Tensor, gradients)))],
        apply_gradient=lambda optimiser, gradient, rate, step: optimiser(
            (ms.Tensor(gradient),), *(ms.Tensor(value, ms.float32) for value in optimiser.corrected(rate, step))),
        values=lambda parameter: parameter.asnumpy()),
    "pytorch": SimpleNamespace(
        package=torch_ref, prepare=lambda config: None,
        parameter=lambda name, values: torch.nn.Parameter(torch.tensor(values)),
        clip=lambda limit, gradients: clipped_by_pytorch(limit, gradients),
        apply_gradient=lambda optimiser, gradient, rate, step: apply_in_pytorch(optimiser, gradient, rate),
        values=lambda parameter: parameter.detach().numpy()),
}


def clipped_by_pytorch(limit, gradients):
    """By the function that torch_ref.learner calls."""
    weights = [torch.nn.Parameter(torch.zeros(gradient.shape)) for gradient in gradients]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_(weights, limit)
    return [weight.grad.numpy() for weight in weights]


def apply_in_pytorch(optimiser, gradient, rate):
    optimiser.param_groups[0]["params"][0].grad = torch.tensor(gradient)
    optimiser.set_rate(rate)
    optimiser.step()


@pytest.fixture(params=FRAMEWORKS, scope="module")
def framework(request, tmp_path_factory):
    framework = FRAMEWORKS[request.param]
    framework.prepare(tiny_config(tmp_path_factory.getbasetemp(), **NETWORK))
    return framework


@pytest.fixture(scope="module")
def learner(framework):
    """One for all tests, since MindSpore's takes long to compile; each may train it further."""
    return make_learner(framework)


def make_learner(framework, **stage_changes):
    """A learner that starts from the same weights at every call."""
    config = tiny_config("unused", **NETWORK)
    seed_both(3)
    network = framework.package.registry.build(config)
    stage, = framework.package.registry.training_plan(config)
    return framework.package.learner.Learner(network, replace(stage, **stage_changes), config)


def weights(framework, learner):
    return {name: array.copy() for name, array in framework.package.learner.get_weights(learner.network).items()}


def batch(step):
    rng = np.random.default_rng(step)
    columns = {name: rng.random((2, channels, SIDE, SIDE), np.float32) for name, channels in
               (("input", 4), ("alpha", 1), ("foreground", 3), ("background", 3), ("composite", 3))}
    columns["unknown"] = (rng.random((2, 1, SIDE, SIDE)) < 0.3).astype(np.float32)
    return columns


def adam_by_the_paper(weights, gradients, rate, epsilon=EPSILON):
    """Kingma and Ba 2015, algorithm 1, in float64."""
    first = second = np.zeros(weights.shape)
    for step, gradient in enumerate(gradients, 1):
        first = BETA1 * first + (1 - BETA1) * gradient
        second = BETA2 * second + (1 - BETA2) * gradient.astype(np.float64)**2
        weights = weights - rate * (first / (1 - BETA1**step)) / (np.sqrt(second / (1 - BETA2**step)) + epsilon)
    return weights


def test_adam_is_the_papers_also_where_gradients_are_as_small_as_epsilon(framework):
    rng = np.random.default_rng(0)
    start = rng.standard_normal((50,)).astype(np.float32)
    gradients = [(rng.standard_normal(50) * np.logspace(-10, 0, 50)).astype(np.float32) for _ in range(4)]
    share, rate = 0.5, 0.01
    parameter = framework.parameter("weight", start)
    optimiser = framework.package.learner.Adam([([parameter], share)])
    for step, gradient in enumerate(gradients, 1):
        framework.apply_gradient(optimiser, gradient, rate, step)
    expected = adam_by_the_paper(start, gradients, share * rate)
    np.testing.assert_allclose(framework.values(parameter), expected, atol=5e-7)
    misplaced = adam_by_the_paper(start, gradients, share * rate, EPSILON / math.sqrt(1 - BETA2))
    assert abs(expected - misplaced).max() > 1e-3


@pytest.mark.parametrize(("limit", "factor"), [(1, 0.2), (2.5, 0.5), (5, 1), (100, 1)])
def test_gradients_are_scaled_together_to_the_limit(framework, limit, factor):
    gradients = np.array([3, 0], np.float32), np.array([[0, -4]], np.float32)  # their norm is 5
    for found, gradient in zip(framework.clip(limit, gradients), gradients, strict=True):
        np.testing.assert_allclose(found, factor * gradient, rtol=1e-6)


def changes(framework, learner):
    """{name: largest change} that one step makes to the weights and running statistics."""
    before = weights(framework, learner)
    learner.step(batch(3), 0.01)
    return {name: abs(value - before[name]).max() for name, value in weights(framework, learner).items()}


def test_pretrained_encoder_learns_a_hundredth_as_fast(framework, learner):
    assert learner.steps == 0  # Adam's first step is as long as the learning rate, the gradient whatever
    first = changes(framework, learner)
    assert first["encoder.stages.0.conv.weight"] == pytest.approx(0.0001, rel=1e-3)
    assert first["decoder.stages.0.fuse.conv.weight"] == pytest.approx(0.01, rel=1e-3)


def test_everything_learns_but_the_encoders_frozen_batch_norm(framework, learner):
    still = {name for name, change in changes(framework, learner).items() if change == 0}
    assert still == {name for name in weights(framework, learner) if name.startswith("encoder.") and ".bn." in name}


def test_a_resumed_learner_goes_on_bit_for_bit(framework, learner, tmp_path):
    learner.step(batch(0), 0.01)
    learner.save(tmp_path / f"middle{learner.suffix}")
    middle = learner.state()
    losses = [learner.step(batch(step), 0.01) for step in (1, 2)]

    resumed = make_learner(framework)
    resumed.load(tmp_path / f"middle{resumed.suffix}")
    resumed.restore(middle)
    resumed.predict(batch(9)["input"][:1])
    assert [resumed.step(batch(step), 0.01) for step in (1, 2)] == losses
    for expected, found in ((learner.state(), resumed.state()),
                            (weights(framework, learner), weights(framework, resumed))):
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_stage_changes_only_what_it_trains(framework):
    by_name = changes(framework, make_learner(framework, trains={"prediction": 1}))
    assert all((change > 0) == name.startswith("prediction.") for name, change in by_name.items())


def test_prediction_changes_nothing_and_drops_nothing(framework, learner):
    before, image = weights(framework, learner), batch(0)["input"][:1]
    np.testing.assert_array_equal(learner.predict(image), learner.predict(image))
    for name, value in weights(framework, learner).items():
        np.testing.assert_array_equal(before[name], value, err_msg=name)


def test_an_average_is_predicted_with_and_changes_no_training(framework, learner):
    start, state, image = learner.weights(), learner.state(), batch(0)["input"][:1]
    plain, after = [], []
    for step in (1, 2):
        plain.append(learner.step(batch(step), 0.01))
        after.append(learner.weights())
    learner.set_weights(start)
    learner.restore(state)
    averaged, found = MovingAverage(learner, 0.5), []
    for step in (1, 2):
        found.append(averaged.step(batch(step), 0.01))
        prediction = averaged.predict(image)
    assert found == plain
    for name, value in after[1].items():
        np.testing.assert_array_equal(learner.weights()[name], value, err_msg=name)
    first, second = 1 / 10, 2 / 11  # the warm-up's, of which neither reaches 0.5
    learner.set_weights({name: second * (first * start[name] + (1 - first) * after[0][name]) + (1 - second) * last
                         for name, last in after[1].items()})
    np.testing.assert_allclose(prediction, learner.predict(image), atol=1e-4 * abs(prediction).max())
    learner.set_weights(after[1])
    assert abs(prediction - learner.predict(image)).max() > 1e-2 * abs(prediction).max()


def test_an_average_is_kept_where_the_weights_are(learner, monkeypatch):
    """Neither a step nor a prediction takes them to the host."""
    averaged = MovingAverage(learner, 0.5)
    for to_host in ("weights", "set_weights"):
        monkeypatch.setattr(learner, to_host, None)
    averaged.step(batch(0), 0.01)
    averaged.predict(batch(0)["input"][:1])


def test_a_resumed_average_goes_on_bit_for_bit(learner, tmp_path):
    averaged = MovingAverage(learner, 0.5)
    averaged.step(batch(0), 0.01)
    averaged.save(tmp_path / f"middle{learner.suffix}")
    middle = averaged.state()

    def go_on(averaged, name):
        losses = [averaged.step(batch(step), 0.01) for step in (1, 2)]
        averaged.save(tmp_path / f"{name}{learner.suffix}")
        return {"losses": losses, **averaged.state(), **read_weights(tmp_path / f"{name}{learner.suffix}")}

    expected = go_on(averaged, "whole")
    for step in (3, 4):
        averaged.step(batch(step), 0.01)
    averaged.load(tmp_path / f"middle{learner.suffix}")
    averaged.restore(middle)
    found = go_on(averaged, "resumed")
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_data_set(root, np.random.default_rng(5))
    prepare_data_set(root)
    return root


def flags(data, logs, *more):
    return ["--data_dir", str(data / "AIM-500"), "--bg_dir", str(data / "train2014"), "--logs_dir", str(logs),
            "--batch_size", "2", "--input_size", str(SIDE), "--num_workers", "1",
            "--val_every", "0", "--epochs", "1", *network_flags(NETWORK), *more]


def test_the_program_trains_and_resumes(framework, data, tmp_path, caplog):
    program, suffix = framework.package.train, framework.package.learner.Learner.suffix
    quick = ("--resampling", "max", "--apply_aspp", "False", "--clip_norm", "0.001", "--ema_decay", "0.5")
    program.main(flags(data, tmp_path, "--max_steps", "1", *quick))
    first = read_moments(tmp_path / "indexnet-1_1.resume.npz", "first_moment")
    norm = math.sqrt(sum((moment**2).sum() for moment in first.values()))
    assert norm == pytest.approx((1 - BETA1) * 0.001, rel=1e-3)
    assert "no --ckpt_url" in caplog.text
    assert "encoder_bn: trained" in (tmp_path / "config.yaml").read_text()
    assert "encoder_bn: trained" in embedded(tmp_path / f"indexnet-1_1{suffix}")
    program.main(flags(data, tmp_path, "--max_steps", "2", "--resume", "True", *quick))
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert sorted(path.name for path in tmp_path.glob("indexnet*")) == [
        f"indexnet-1_{step}{kind}" for step in (1, 2) for kind in sorted([suffix, ".resume.npz"])]


@pytest.mark.parametrize("amp", ["False", "True"])
def test_the_program_continues_bit_for_bit(data, tmp_path, amp):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    torch_ref.train.main(flags(data, whole, "--max_steps", "3", "--amp", amp))
    torch_ref.train.main(flags(data, parts, "--max_steps", "1", "--amp", amp))
    torch_ref.train.main(flags(data, parts, "--max_steps", "3", "--amp", amp, "--resume", "True"))
    for read, name in ((read_weights, "indexnet-1_3.pth"), (read_moments, "indexnet-1_3.resume.npz")):
        expected, found = read(whole / name), read(parts / name)
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key)
    assert embedded(whole / "indexnet-1_3.pth") == embedded(parts / "indexnet-1_3.pth")  # nothing of --resume


def read_moments(path, kind="moment"):
    with np.load(path) as archive:
        return {name: archive[name] for name in archive if kind in name}


def test_a_device_that_is_not_there_is_named(framework, data, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SystemExit):
        framework.package.train.main(flags(data, tmp_path, "--device_target", "GPU"))
    assert capsys.readouterr().err.startswith("error: no usable GPU device 0 here; run with --device_target CPU")


def test_the_reference_refuses_to_train_on_several_devices(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        torch_ref.train.main(flags(data, tmp_path, "--is_distributed", "True"))
    assert "trains on one device" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def restore_log_level():
    """Programs configure logging; tests that look at it get their own."""
    logging.getLogger().setLevel(logging.INFO)
