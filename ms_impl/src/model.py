"""IndexNet Matting (Lu et al. 2019): MobileNetV2 encoder, index-guided pooling, symmetric decoder."""
import math

from mindspore import nn
from mindspore.common.initializer import Normal, initializer

from matting.compat import zip_equal
from ms_impl.src.layers import CONV_OPERATORS, ConvBNReLU, conv2d, scaled_width, set_batch_norm_policy
from ms_impl.src.modules import ASPP, Decoder, DecoderStage, InvertedResidual
from ms_impl.src.resampling import RESAMPLING

DECODER_WIDTHS = (96, 64, 32, 24, 16, 32, 32)  # from the deepest stage up
CONTEXT_WIDTH, ASPP_BRANCH_WIDTH = 160, 256


class Encoder(nn.Cell):
    """MobileNetV2's eight stages without their strides; stage 0 is the 3x3 stem.

    pooled: for each stage, whether a 2x2 pooling follows it. widths: channels each stage ends with.
    """

    def __init__(self, config):
        super().__init__()
        rows = config.inverted_residual_setting
        width = scaled_width(rows[0][1], config)
        self.widths = [width]
        self.pooled = [True]
        stages = [ConvBNReLU(4, width, 3)]
        stride, dilation = 2 * config.current_stride, config.rate
        for expansion, _, out, repeats, halving, row_dilation in rows:
            first_dilation = dilation * row_dilation
            self.pooled.append(halving == 2 and stride < config.output_stride)
            if stride < config.output_stride:
                stride *= halving
            else:  # the halving is replaced by dilation, in the stage's first block not yet
                dilation *= halving
            dilations = [first_dilation] + [dilation * row_dilation] * (repeats - 1)
            blocks = []
            for block_dilation in dilations:
                blocks.append(InvertedResidual(width, scaled_width(out, config), expansion, block_dilation))
                width = scaled_width(out, config)
            stages.append(nn.SequentialCell(*blocks))
            self.widths.append(width)
        self.stages = nn.CellList(stages)
        set_batch_norm_policy(self, config.encoder_bn)


class IndexNet(nn.Cell):
    """(B, 4, H, W) normalised RGB and trimap, H and W multiples of 32 -> (B, 1, H, W) alpha, before clipping.

    dropout, in training: what the context's output is multiplied by, of `dropout_shape`. It comes from outside so that
    a resumed run, and the other framework, can drop the same values.
    """

    def __init__(self, config):
        super().__init__()
        self.encoder = Encoder(config)
        skip_widths = self.encoder.widths[:-1]
        pairs = [RESAMPLING[config.resampling if pooled else "none"] for pooled in self.encoder.pooled[:-1]]
        self.pools = nn.CellList([pool(width, config) for width, (pool, _) in zip_equal(skip_widths, pairs)])
        deepest, context_width = self.encoder.widths[-1], scaled_width(CONTEXT_WIDTH, config)
        self.context_width, self.output_stride = context_width, config.output_stride
        self.dropout_probability = 0.5 if config.apply_aspp else 0
        self.context = (ASPP(deepest, context_width, scaled_width(ASPP_BRANCH_WIDTH, config), config.output_stride)
                        if config.apply_aspp else ConvBNReLU(deepest, context_width, 1))
        decoder_widths = [scaled_width(width, config) for width in DECODER_WIDTHS]
        self.decoder = Decoder([
            DecoderStage(into, out, upsample(), config.conv_operator, config.decoder_kernel_size)
            for into, out, (_, upsample) in zip_equal((context_width, *decoder_widths[:-1]), decoder_widths,
                                                      reversed(pairs))])
        self.prediction = nn.SequentialCell(
            CONV_OPERATORS[config.conv_operator](decoder_widths[-1], 1, config.decoder_kernel_size),
            conv2d(1, 1, config.decoder_kernel_size))
        initialise(self)

    def dropout_shape(self, batch, height, width):
        """Shape of the dropout mask for images (batch, 4, height, width)."""
        return batch, self.context_width, height // self.output_stride, width // self.output_stride

    def construct(self, x, dropout=None):
        skips, guides = (), ()
        # the last stage has no pool; a slice of stages would rename MindSpore's parameters
        for stage, pool in zip(self.encoder.stages, self.pools):  # noqa: B905, graph mode has no strict
            x, skip, guide = pool(stage(x))
            skips += (skip,)
            guides += (guide,)
        x = self.context(self.encoder.stages[-1](x))
        if dropout is not None:
            x = x * dropout
        x = self.decoder(x, skips, guides)
        return self.prediction(x)


def initialise(network):
    """Convolutions ~ N(0, sqrt(2 / (kernel height * width * output channels))); batch norm starts as the identity."""
    for _, layer in network.cells_and_names():
        if isinstance(layer, nn.Conv2d):
            fan_out = math.prod(layer.kernel_size) * layer.out_channels
            layer.weight.set_data(initializer(Normal(math.sqrt(2 / fan_out)), layer.weight.shape))
