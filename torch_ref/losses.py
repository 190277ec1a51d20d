"""The matting loss: alpha and composition error over the unknown region (Xu et al. 2017; Lu et al. 2019)."""
import torch
from torch import nn

EPSILON = 1e-12  # keeps the root differentiable at zero


def masked_error(difference, unknown):
    """Mean of sqrt(d^2 + epsilon) over the unknown region, summed over channels, averaged over the batch.

    difference: (B, C, H, W). unknown: (B, 1, H, W) of 0 and 1, at least one 1 in each sample. Returns a scalar.
    """
    error = torch.sqrt((difference * unknown) ** 2 + EPSILON)
    per_sample = error.sum((1, 2, 3)) / unknown.sum((1, 2, 3))
    return per_sample.mean()


class MattingLoss(nn.Module):
    """alpha_weight * alpha error + (1 - alpha_weight) * composition error.

    Colours lie in [0, 1]. At weight 0.5 the alpha term then is 50 % of the gradient; with colours left at 0-255 it is
    0.4 %, and hardly anything is learned from it (`pytest -s parity/test_dim_losses.py` prints both).
    """

    def __init__(self, alpha_weight):
        super().__init__()
        self.alpha_weight = alpha_weight

    def forward(self, prediction, alpha, foreground, background, composite, unknown):
        """Predicted and true alpha, unknown (B, 1, H, W); three colours (B, 3, H, W); all in [0, 1] -> scalar."""
        recomposed = prediction * foreground + (1 - prediction) * background
        alpha_error = masked_error(prediction - alpha, unknown)
        composition_error = masked_error(recomposed - composite, unknown)
        return self.alpha_weight * alpha_error + (1 - self.alpha_weight) * composition_error
