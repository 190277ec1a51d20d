"""Formulations: under the names of ms_impl/src/formulations.py, what is asked for there, by its definition.

Nothing here is written for speed, so that parity compares MindSpore's way with the plain one.
"""
import torch
from torch import nn
from torch.nn import functional as F

split = torch.split


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm that can be told to use its running statistics in training mode, too."""

    batch_statistics = True

    def train(self, mode=True):
        return super().train(mode and self.batch_statistics)


def use_batch_statistics(batch_norm, whether):
    """Let a batch norm normalise by the batch in training mode, or never; train() changes nothing of that."""
    batch_norm.batch_statistics = whether


def train_affine(batch_norm, whether):
    """Let a batch norm's scale and shift be trained or not."""
    batch_norm.requires_grad_(whether)


def zero_pad(x, width):
    """(B, C, H, W) -> (B, C, H + 2 width, W + 2 width)."""
    return F.pad(x, [width] * 4)


def convolve_each(branches, x):
    """What the branches' own convolutions make of x, as a tuple."""
    return tuple(branch.conv(x) for branch in branches)


def interleave(maps):
    """Four (B, M, h, w) maps, one for each place of the 2x2 cells -> (B, M, 2h, 2w)."""
    return _shuffle(torch.stack(maps, 2))


def cell_softmax(maps):
    """Four (B, M, h, w) maps, one for each place of the 2x2 cells -> the softmax over each cell, (B, M, 2h, 2w)."""
    return _shuffle(torch.softmax(torch.stack(maps, 2), 2))


class CellSum(nn.Module):
    """(B, channels, H, W) -> the sum of each 2x2 cell, (B, channels, H/2, W/2)."""

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return 4 * F.avg_pool2d(x, 2, 2)


def upsample_times(x, maps):
    """(B, C, h, w), four (B, C or 1, h, w) maps -> (B, C, 2h, 2w): nearest upsampling times the interleaved maps."""
    return interleave(maps) * F.interpolate(x, scale_factor=2, mode="nearest")


class Bilinear(nn.Module):
    """(B, C, h, w) -> (B, C, 2h, 2w), bilinear between the centres of pixels."""

    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def unpool(x, places):
    """(B, C, h, w) and where in (B, C, 2h, 2w), flattened, each value belongs -> that, zero elsewhere.

    This is nn.MaxUnpool2d, for which ONNX export has no operator.
    """
    batch, channels, height, width = x.shape
    values = x.new_zeros(batch, channels, 4 * height * width).scatter(2, places.flatten(2), x.flatten(2))
    return values.view(batch, channels, 2 * height, 2 * width)


def _shuffle(cells):
    """(B, M, 4, h, w) -> (B, M, 2h, 2w)."""
    return F.pixel_shuffle(cells.flatten(1, 2), 2)
