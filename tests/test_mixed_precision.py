"""Mixed precision: the loss scale by hand, half the digits where asked for, overflows that change nothing."""
from dataclasses import replace
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest
import torch

import ms_impl.learner
import ms_impl.src.losses
import torch_ref.learner
import torch_ref.losses
import torch_ref.mixed_precision
from matting.errors import UserError
from matting.training.loss_scale import LossScale
from matting.training.stage import TrainingStage
from ms_impl.src.utils import set_device
from tests import scaled_training
from tests.scaled_training import WIDTH
from tests.tiny_data import tiny_config
from torch_ref.layers import ConvBNReLU, conv2d

RATE = 0.001
OVERFLOWS, FITS = 2.0**40, 2.0**8  # loss scales
FLOAT16, BFLOAT16 = 2.0**-11, 2.0**-8  # what a number is rounded by at most, relative to it


# --- the loss scale by hand ---


def test_the_scale_doubles_after_two_thousand_good_steps_in_a_row():
    scale = LossScale(True)
    for finite, steps, expected in ((True, 1999, 65536), (True, 1, 131072), (True, 1999, 131072), (False, 1, 65536),
                                    (True, 1999, 65536), (True, 1, 131072)):
        for _ in range(steps):
            scale.update(finite)
        assert scale.scale == expected
    assert scale.diagnostics() == {"loss_scale": 131072, "skipped_steps": 1}


def test_a_gradient_that_overflows_unscaled_ends_training_in_one_line():
    scale = LossScale(True)
    for _ in range(16):
        scale.update(False)
    assert (scale.scale, scale.skipped) == (1, 16)
    with pytest.raises(UserError, match="however the loss is scaled; train with --amp False"):
        scale.update(False)


def test_a_resumed_scale_grows_when_the_uninterrupted_one_does():
    scale, resumed = LossScale(True), LossScale(True)
    for finite in (False, *1500 * [True]):
        scale.update(finite)
    resumed.restore(scale.state())
    for _ in range(500):
        resumed.update(True)
    assert resumed.diagnostics() == {"loss_scale": 65536, "skipped_steps": 1}


def test_without_mixed_precision_nothing_is_scaled_saved_or_reported():
    scale = LossScale(False)
    assert scale.scale == 1 and not scale.state() and not scale.diagnostics()


# --- both frameworks' learners on a small network ---


class TorchNetwork(torch.nn.Module):
    """scaled_training.Network of PyTorch."""

    dropout_probability = 0.5
    dropout_shape = scaled_training.Network.dropout_shape

    def __init__(self, encoder_bn):
        super().__init__()
        self.encoder = ConvBNReLU(4, WIDTH, 3)
        self.decoder = ConvBNReLU(WIDTH, WIDTH, 3)
        self.prediction = conv2d(WIDTH, 1, 3)

    def forward(self, x, dropout=1):
        return self.prediction(self.decoder(self.encoder(x) * dropout))


FRAMEWORKS = {
    "mindspore": SimpleNamespace(package=ms_impl, losses=ms_impl.src.losses, network=scaled_training.Network),
    "pytorch": SimpleNamespace(package=torch_ref, losses=torch_ref.losses, network=TorchNetwork),
}


@pytest.fixture(params=FRAMEWORKS, scope="module")
def framework(request):
    set_device(tiny_config("unused", device_target="CPU"))
    return FRAMEWORKS[request.param]


def make_learner(framework, half=torch.float16, **settings):
    """A learner that starts from the same weights at every call. half: of PyTorch's mixed precision."""
    ms.set_seed(3)
    torch.manual_seed(3)
    stage = TrainingStage("small", {"encoder": 1, "decoder": 1, "prediction": 1}, framework.losses.MattingLoss(0.5),
                          framework.package.learner.Adam, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(torch_ref.mixed_precision.HALVES, "cpu", half)
        return framework.package.learner.Learner(framework.network("trained"), stage,
                                                 replace(tiny_config("unused"), **settings))


@pytest.fixture(scope="module")
def learner(framework):
    """In mixed precision, gradients clipped; one for all tests, since MindSpore's takes long to compile."""
    return make_learner(framework, amp=True, clip_norm=CLIP_NORM)


@pytest.fixture(scope="module")
def start(learner):
    """Weights and state before the first step."""
    return learner.weights(), learner.state()


CLIP_NORM = 0.01


@pytest.fixture(autouse=True)
def rewind(request):
    if "learner" in request.fixturenames:
        learner, (weights, state) = (request.getfixturevalue(name) for name in ("learner", "start"))
        learner.set_weights(weights)
        learner.restore(state)


def batch(step):
    return next(scaled_training.batches(step))


def weights_that_learn(learner):
    """Running statistics left out, which a forward pass changes."""
    return {name: value for name, value in learner.weights().items() if "running" not in name}


def moments(learner, kind="moment"):
    return {name: value for name, value in learner.state().items() if kind in name}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_an_overflow_changes_nothing_but_the_loss_scale(learner, caplog):
    learner.loss_scale.scale = FITS
    learner.step(batch(0), RATE)
    learner.loss_scale.scale = OVERFLOWS
    trained, momenta = weights_that_learn(learner), moments(learner)
    assert np.isfinite(learner.step(batch(1), RATE))
    assert "a gradient overflowed: step skipped (1 so far), loss scale halved" in caplog.text
    assert learner.diagnostics() == {"loss_scale": OVERFLOWS / 2, "skipped_steps": 1}
    assert_equal(weights_that_learn(learner), trained)
    assert_equal(moments(learner), momenta)

    learner.loss_scale.scale = FITS
    learner.step(batch(2), RATE)
    assert learner.diagnostics() == {"loss_scale": FITS, "skipped_steps": 1}
    assert all((value != trained[name]).any() for name, value in weights_that_learn(learner).items())
    assert all((value != momenta[name]).any() for name, value in moments(learner).items())


def test_a_skipped_step_does_not_count_in_adam(learner, start):
    learner.loss_scale.scale = OVERFLOWS
    learner.step(batch(0), RATE)
    learner.loss_scale.scale = FITS
    learner.step(batch(1), RATE)  # Adam's first step is as long as the learning rate, its second is not
    change = learner.weights()["prediction.weight"] - start[0]["prediction.weight"]
    np.testing.assert_allclose(abs(change), RATE, rtol=1e-3)


@pytest.mark.parametrize("scale", [FITS, 2 * FITS])
def test_gradients_are_clipped_unscaled(learner, scale):
    learner.loss_scale.scale = scale
    learner.step(batch(0), RATE)
    norm = np.sqrt(sum((moment**2).sum() for moment in moments(learner, "first_moment").values()))
    assert norm == pytest.approx((1 - 0.9) * CLIP_NORM, rel=1e-3)


def test_a_resumed_learner_goes_on_bit_for_bit(learner, tmp_path):
    learner.loss_scale.scale = OVERFLOWS
    learner.step(batch(0), RATE)
    learner.save(tmp_path / f"before_any_update{learner.suffix}")
    middle = learner.state()

    def go_on():
        learner.loss_scale.scale *= FITS / OVERFLOWS
        losses = [learner.step(batch(step), RATE) for step in (1, 2)]
        return {"losses": losses, **learner.state(), **learner.weights()}

    expected = go_on()
    learner.load(tmp_path / f"before_any_update{learner.suffix}")
    learner.restore(middle)
    assert_equal(learner.state(), middle)
    assert_equal(go_on(), expected)


def assert_learns_alike(full, mixed, rounding):
    """Raise AssertionError unless four steps and a prediction differ as much as rounding convolutions explains.

    Three convolutions, each of rounded inputs, weights and outputs, and their gradients: a few roundings in all. The
    loss, a mean over pixels, hides most of it, but not all.
    """
    losses = np.array([[learner.step(batch(step), RATE) for step in range(4)] for learner in (full, mixed)])
    alphas = [learner.predict(batch(9)["input"]) for learner in (full, mixed)]
    assert {value.dtype for value in (*alphas, *mixed.weights().values())} == {np.dtype(np.float32)}
    assert rounding / 1000 < abs(losses[1] / losses[0] - 1).max() < 4 * rounding
    assert rounding / 100 < abs(alphas[1] - alphas[0]).max() / abs(alphas[0]).max() < 8 * rounding


def test_float16_learns_what_float32_does(framework, learner):
    full = make_learner(framework, clip_norm=CLIP_NORM)
    state = {name: value for name, value in learner.state().items() if not name.startswith("loss_scale")}
    start = learner.weights()

    def rewind():
        for each in (full, learner):
            each.set_weights(start)
            each.restore(state | LossScale(True).state())
        learner.loss_scale.scale = FITS

    rewind()
    assert_learns_alike(full, learner, FLOAT16)
    for mixed, rounding in ((full, FLOAT16), (learner, FLOAT16 / 64), (learner, 1000 * FLOAT16)):
        rewind()
        with pytest.raises(AssertionError):
            assert_learns_alike(full, mixed, rounding)


def test_bfloat16_of_pytorch_on_cpu_learns_what_float32_does():
    assert torch_ref.mixed_precision.HALVES["cpu"] == torch.bfloat16
    full, mixed = (make_learner(FRAMEWORKS["pytorch"], torch.bfloat16, amp=amp) for amp in (False, True))
    assert_learns_alike(full, mixed, BFLOAT16)
