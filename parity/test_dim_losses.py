"""Deep Image Matting's two losses, in both frameworks, against numbers worked out by hand."""
import mindspore as ms
import numpy as np
import pytest
import torch

import ms_impl.src.losses
import torch_ref.losses


def mindspore_loss(weight, *arrays):
    return float(ms_impl.src.losses.MattingLoss(weight)(*map(ms.Tensor, arrays)).asnumpy())


def torch_loss(weight, *arrays):
    return float(torch_ref.losses.MattingLoss(weight)(*map(torch.from_numpy, arrays)))


LOSSES = {"mindspore": mindspore_loss, "torch": torch_loss}


def scene(prediction, alpha, foreground, background, unknown):
    """One row of pixels, (1, C, 1, W) arrays; colours are RGB for each pixel."""
    prediction, alpha, unknown = (np.float32([[[values]]]) for values in (prediction, alpha, unknown))
    foreground, background = (np.float32(colours).T[None, :, None] for colours in (foreground, background))
    return prediction, alpha, foreground, background, alpha * foreground + (1 - alpha) * background, unknown


# Pixel 0: alpha off by 0.5, so red by 0.5 * (1 - 0), green by 0.5 * (0.5 - 0.1), blue not. Pixel 1: alpha off by 0.25
# the other way, colours by 0.25 * 0.4 each. Pixel 2 is known.
SCENE = scene([0.5, 0.75, 0.9], [1, 0.5, 0], [[1, 0.5, 0.3], [0.6] * 3, [1] * 3], [[0, 0.1, 0.3], [0.2] * 3, [0] * 3],
              [1, 1, 0])
ALPHA = (0.5 + 0.25) / 2
COLOURS = (0.5 + 0.2 + 0 + 3 * 0.1) / 2


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("weight", [1, 0.5, 0.2, 0])
def test_loss_is_the_weighted_sum_of_both_errors_over_the_unknown_region(loss, weight):
    assert loss(weight, *SCENE) == pytest.approx(weight * ALPHA + (1 - weight) * COLOURS, abs=2e-5)


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_errors_of_opposite_sign_do_not_cancel(loss):
    """Public code sums the signed differences of the colours, and takes the root of that."""
    errors = scene([0.5], [1], [[1, 0, 0.5]], [[0, 1, 0.5]], [1])  # red is too dark by 0.5, green too light by 0.5
    assert loss(0, *errors) == pytest.approx(1, abs=1e-5)


def alpha_share_of_gradient(colour_scale):
    """Share of the alpha term in what both terms pull a random prediction by, at weight 0.5."""
    rng = np.random.default_rng(0)
    alpha, foreground, background = (torch.from_numpy(rng.random((1, channels, 64, 64), np.float32))
                                     for channels in (1, 3, 3))
    composite = alpha * foreground + (1 - alpha) * background
    pulls = []
    for weight in (1, 0):
        prediction = torch.full_like(alpha, 0.5, requires_grad=True)
        torch_ref.losses.MattingLoss(weight)(
            prediction, alpha, *(colour_scale * colours for colours in (foreground, background, composite)),
            torch.ones_like(alpha)).backward()
        pulls.append(float(prediction.grad.abs().mean()))
    return pulls[0] / sum(pulls)


def test_colours_up_to_255_swamp_the_alpha_term():
    """Why colours are scaled to [0, 1]: the figures are printed with `pytest -s`, and stand in losses.py."""
    scaled, unscaled = alpha_share_of_gradient(1), alpha_share_of_gradient(255)
    print(f"\nshare of the alpha term in the gradient: {scaled:.1%} with colours in [0, 1], {unscaled:.2%} with 0-255")
    assert scaled == pytest.approx(0.5, abs=0.05)
    assert unscaled < 0.005
