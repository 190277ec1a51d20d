"""A MindSpore training that several processes can share: a small network with all that ranks could get wrong.

Run by ms_impl.launch as each of its processes: python tests/scaled_training.py --is_distributed True --logs_dir DIR.
--before DIR: first train in that folder, to the end. --mixed DIR: before that, there, in mixed precision.
"""
from dataclasses import replace

import mindspore as ms
import numpy as np
from mindspore import nn

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.training.schedule import learning_rates
from matting.training.stage import TrainingStage
from matting.training.trainer import Trainer
from ms_impl.data_parallel import join
from ms_impl.learner import Adam, Learner
from ms_impl.src.formulations import share_batch_statistics, suit_device
from ms_impl.src.layers import ConvBNReLU, conv2d, set_batch_norm_policy
from ms_impl.src.losses import MattingLoss
from ms_impl.src.utils import set_device

SIDE, WIDTH = 32, 8
BATCH = 4  # of all processes together
STEPS_PER_EPOCH, EPOCHS = 3, 8
SPIKE = 4  # after so many steps the second rank's gradients overflow in float16, in mixed precision
CHANNELS = {"input": 4, "alpha": 1, "foreground": 3, "background": 3, "composite": 3}


class Network(nn.Cell):
    """Frozen batch norm, batch statistics, dropout: (B, 4, H, W) -> (B, 1, H, W)."""

    dropout_probability = 0.5

    def __init__(self, encoder_bn):
        super().__init__()
        self.encoder = ConvBNReLU(4, WIDTH, 3)
        set_batch_norm_policy(self.encoder, encoder_bn)
        self.decoder = ConvBNReLU(WIDTH, WIDTH, 3)
        self.prediction = conv2d(WIDTH, 1, 3)
        suit_device(self, "CPU")

    def dropout_shape(self, batch, height, width):
        return batch, WIDTH, height, width

    def construct(self, x, dropout=1):
        return self.prediction(self.decoder(self.encoder(x) * dropout))


def batches(step, rank=0, count=1, spike=None):
    """What a rank trains on after `step` steps: every count-th sample of batches that are functions of their step.

    spike: the steps after which one sample, of the second of two ranks, has colours that no file could have.
    """
    while True:
        rng = np.random.default_rng((11, step))
        batch = {name: rng.random((BATCH, channels, SIDE, SIDE), np.float32) for name, channels in CHANNELS.items()}
        batch["input"] *= rng.uniform(1, 3, (BATCH, 1, 1, 1)).astype(np.float32)  # so that ranks' statistics differ
        batch["unknown"] = (rng.random((BATCH, 1, SIDE, SIDE)) < 0.3).astype(np.float32)
        if step == spike:
            batch["foreground"][1] *= 1e8
        yield {name: column[rank::count] for name, column in batch.items()}
        step += 1


def train(config, group):
    """Train as one of `group`."""
    ms.set_seed(config.seed)
    network = Network(config.encoder_bn)
    if config.sync_batch_norm:
        share_batch_statistics(network, group.size)
    stage = TrainingStage("small", {"encoder": 0.01, "decoder": 1, "prediction": 1},
                          MattingLoss(config.alpha_loss_weight), Adam, learning_rates)
    learner = Learner(network, stage, config, group)
    learner.predict = lambda image: np.zeros_like(image[:, :1])  # which would compile a second graph
    spike = SPIKE if config.amp else None
    Trainer(stage, learner, lambda step: batches(step, group.rank, group.size, spike), STEPS_PER_EPOCH, None, config,
            group).run()


@entry_point
def main(argv=None):
    parser = config_parser("Train a small network.")
    parser.add_argument("--before")
    parser.add_argument("--mixed")
    config, own = load_config(parser, argv)
    set_device(config)
    group = join(config)
    if own.mixed:
        train(replace(config, logs_dir=own.mixed, amp=True), group)
    if own.before:
        train(replace(config, logs_dir=own.before), group)
    train(config, group)


if __name__ == "__main__":
    main()
