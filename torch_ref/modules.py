"""The blocks between the index blocks: inverted residuals, spatial pyramid, decoder and its stage."""
import torch
from torch import nn

from torch_ref.formulations import zero_pad
from torch_ref.layers import CONV_OPERATORS, ConvBN, ConvBNReLU, SeparableConvBNReLU


class InvertedResidual(nn.Module):
    """MobileNetV2's block (Sandler et al. 2018), zero-padding its input instead of its expanded features.

    The border the depthwise convolution sees is therefore ReLU6(BN(0)), as the official release trains it.
    """

    def __init__(self, in_channels, out_channels, expansion, dilation=1):
        super().__init__()
        hidden = expansion * in_channels
        self.padding = dilation
        self.residual = in_channels == out_channels
        self.expand = ConvBNReLU(in_channels, hidden, 1) if expansion > 1 else nn.Identity()
        self.depthwise = ConvBNReLU(hidden, hidden, 3, padding=0, dilation=dilation, groups=hidden)
        self.project = ConvBN(hidden, out_channels, 1)

    def forward(self, x):
        padded = zero_pad(x, self.padding)
        out = self.project(self.depthwise(self.expand(padded)))
        return x + out if self.residual else out


class GlobalContext(nn.Module):
    """(B, in, H, W) -> (B, out, H, W): the image's mean feature, projected, at every pixel."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.project = ConvBNReLU(in_channels, out_channels, 1)

    def forward(self, x):
        mean = self.project(x.mean((2, 3), True))
        return torch.broadcast_to(mean, mean.shape[:2] + x.shape[2:])


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017): (B, in, H, W) -> (B, out, H, W).

    One 1x1 branch, three dilated separable 3x3 branches and the global mean, merged by a 1x1 convolution.
    """

    DILATIONS = {32: (2, 4, 8), 16: (6, 12, 18), 8: (12, 24, 36)}

    def __init__(self, in_channels, out_channels, branch_channels, output_stride):
        super().__init__()
        self.branches = nn.ModuleList([
            ConvBNReLU(in_channels, branch_channels, 1),
            *(SeparableConvBNReLU(in_channels, branch_channels, 3, dilation)
              for dilation in self.DILATIONS[output_stride]),
            GlobalContext(in_channels, branch_channels),
        ])
        self.project = ConvBNReLU(5 * branch_channels, out_channels, 1)

    def forward(self, x):
        branches = ()
        for branch in self.branches:
            branches += (branch(x),)
        return self.project(torch.cat(branches, 1))


class DecoderStage(nn.Module):
    """Upsample (where the encoder pooled), join the skip, fuse: (B, C, h, w), skip (B, C, H, W) -> (B, out, H, W)."""

    def __init__(self, in_channels, out_channels, upsample, conv_operator, kernel_size):
        super().__init__()
        self.upsample = upsample
        self.fuse = CONV_OPERATORS[conv_operator](2 * in_channels, out_channels, kernel_size)

    def forward(self, x, skip, guide):
        return self.fuse(torch.cat((self.upsample(x, guide), skip), 1))


class Decoder(nn.Module):
    """Stages (x, skip, guide) -> x, from the deepest skip to full resolution."""

    def __init__(self, stages):
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, x, skips, guides):
        for stage, skip, guide in zip(self.stages, skips[::-1], guides[::-1], strict=True):
            x = stage(x, skip, guide)
        return x
