"""A MindSpore training that several processes can share: a small IndexNet, all batch norms frozen, fixed random data.

Run by ms_impl.launch as each of its processes: python tests/scaled_training.py --is_distributed True --logs_dir DIR.
"""
import mindspore as ms
import numpy as np
from mindspore import nn

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.training import Trainer
from ms_impl.learner import Learner
from ms_impl.peers import join
from ms_impl.src.model import IndexNet
from ms_impl.train import training_plan
from ms_impl.utils import set_device

SIDE = 64
BATCH = 4  # of all processes together
STEPS_PER_EPOCH, EPOCHS = 3, 4
CHANNELS = {"image": 4, "alpha": 1, "foreground": 3, "background": 3, "composite": 3}


class BlindLearner(Learner):
    """Predicts nothing, since that would compile a second graph; all else is the learner's."""

    def predict(self, image):
        return np.zeros_like(image[:, :1])


def batches(step, rank=0, count=1):
    """What a rank trains on after `step` steps: every count-th sample of batches that are functions of their step."""
    while True:
        rng = np.random.default_rng((11, step))
        batch = {name: rng.random((BATCH, channels, SIDE, SIDE), np.float32) for name, channels in CHANNELS.items()}
        batch["unknown"] = (rng.random((BATCH, 1, SIDE, SIDE)) < 0.3).astype(np.float32)
        yield {name: column[rank::count] for name, column in batch.items()}
        step += 1


def train(config):
    """Train as one of config's processes."""
    set_device(config)
    peers = join(config)
    ms.set_seed(config.seed)
    network = IndexNet(config.network)
    for _, cell in network.cells_and_names():
        if isinstance(cell, nn.BatchNorm2d):
            cell.use_batch_statistics = False
    stage, = training_plan(config)
    learner = BlindLearner(network, stage, config, peers)
    Trainer(stage, learner, lambda step: batches(step, peers.rank, peers.count), STEPS_PER_EPOCH, None, config,
            peers).run()


@entry_point
def main(argv=None):
    train(load_config(config_parser("Train a small IndexNet."), argv)[0])


if __name__ == "__main__":
    main()
