"""Index blocks, indexed pooling and upsampling (Lu et al. 2019, section 4), and the pairs they are chosen in."""
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from torch_ref.layers import batch_norm, conv2d


@dataclass(frozen=True)
class IndexKind:
    """What tells the three published index blocks apart, for C feature channels."""

    branches: int  # convolutions that predict a 2x2 cell together
    groups: int  # of those convolutions
    maps: int  # channels each branch ends with
    hidden: int  # channels of the nonlinear variant's hidden layer


INDEX_KINDS = {
    "holistic": lambda c, expansion: IndexKind(branches=1, groups=1, maps=4, hidden=2 * c),
    "depthwise_o2o": lambda c, expansion: IndexKind(branches=4, groups=c, maps=c, hidden=c),
    "depthwise_m2o": lambda c, expansion: IndexKind(branches=4, groups=1, maps=c, hidden=expansion * c),
}


class IndexBlock(nn.Module):
    """Predicts for every 2x2 cell where a feature's information lies.

    (B, C, H, W) feature, H and W even -> encoder index (B, M, H, W) in (0, 1), which sums to 1 in each cell, and the
    decoder index in (0, 1) as four maps (B, M, H/2, W/2): the top left, top right, bottom left and bottom right of all
    cells. M = C, or 1 for holistic.
    """

    def __init__(self, channels, kind, context, nonlinear, expansion):
        super().__init__()
        kind = INDEX_KINDS[kind](channels, expansion)
        window = {"kernel_size": 4, "padding": 1} if context else {"kernel_size": 2, "padding": 0}

        def branch():
            first_width = kind.hidden if nonlinear else kind.maps
            layers = OrderedDict(conv=conv2d(channels, first_width, stride=2, groups=kind.groups, **window))
            if nonlinear:
                layers.update(bn=batch_norm(kind.hidden), relu=nn.ReLU6(),
                              mix=conv2d(kind.hidden, kind.maps, 1, groups=kind.groups))
            return nn.Sequential(layers)

        self.branches = nn.ModuleList([branch() for _ in range(kind.branches)])

    def forward(self, x):
        # stacked behind the channels, so that channel 4c + 2 row + column holds a cell's (row, column) of map c
        cells = torch.stack([branch(x) for branch in self.branches], dim=2)
        batch, _, _, rows, columns = cells.shape
        gates = torch.sigmoid(cells.view(batch, -1, 4, rows, columns))
        shares = torch.softmax(gates, dim=2)
        return interleave(shares), gates.unbind(2)


def interleave(cells):
    """(B, M, 4, h, w), the four places of the 2x2 cells -> (B, M, 2h, 2w)."""
    return F.pixel_shuffle(cells.flatten(1, 2), 2)


class IndexedPool(nn.Module):
    """Indexed 2x2 pooling: each cell's sum, weighted by the encoder index.

    (B, C, H, W) -> pooled (B, C, H/2, W/2), skip (B, C, H, W), guide for IndexedUpsample.
    """

    def __init__(self, channels, config):
        super().__init__()
        self.index = IndexBlock(channels, config.index_kind, config.use_context, config.use_nonlinear,
                                config.index_expansion)

    def forward(self, x):
        encoder_index, decoder_index = self.index(x)
        skip = encoder_index * x
        return 4 * F.avg_pool2d(skip, 2, 2), skip, decoder_index


class IndexedUpsample(nn.Module):
    """(B, C, h, w), four decoder index maps (B, C or 1, h, w) -> (B, C, 2h, 2w): nearest upsampling times the index."""

    def forward(self, x, guide):
        return interleave(torch.stack(guide, 2)) * F.interpolate(x, scale_factor=2, mode="nearest")


class MaxPool(nn.Module):
    """2x2 max pooling that remembers where each maximum lay."""

    def __init__(self, channels, config):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)

    def forward(self, x):
        pooled, places = self.pool(x)
        return pooled, x, places


class MaxUnpool(nn.Module):
    """Puts each value back where its maximum lay, zero elsewhere.

    That is nn.MaxUnpool2d, for which ONNX export has no operator.
    """

    def forward(self, x, guide):
        batch, channels, height, width = x.shape
        places = x.new_zeros(batch, channels, 4 * height * width).scatter(2, guide.flatten(2), x.flatten(2))
        return places.view(batch, channels, 2 * height, 2 * width)


class BilinearUpsample(nn.Module):
    """Interpolates between the values, whatever the guide: (B, C, h, w) -> (B, C, 2h, 2w)."""

    def forward(self, x, guide):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Keep(nn.Module):
    """No pooling after this stage."""

    def __init__(self, channels, config):
        super().__init__()

    def forward(self, x):
        return x, x, None


class KeepSize(nn.Module):
    """No upsampling before this stage."""

    def forward(self, x, guide):
        return x


RESAMPLING = {"indexed": (IndexedPool, IndexedUpsample), "max": (MaxPool, MaxUnpool),
              "bilinear": (MaxPool, BilinearUpsample), "none": (Keep, KeepSize)}
