"""Train IndexNet with MindSpore; every key of default_config.yaml is a flag.

python -m ms_impl.train --data_dir AIM-500 --bg_dir train2014 --ckpt_url MOBILENET.ckpt --logs_dir logs
"""
from functools import partial

import mindspore as ms

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.schedule import learning_rates
from matting.training import TrainingStage, settle_batch_norm, train
from ms_impl.learner import Adam, Learner
from ms_impl.peers import join, with_own_device
from ms_impl.src.dataset import TrainingLoader
from ms_impl.src.losses import MattingLoss
from ms_impl.src.model import IndexNet
from ms_impl.utils import load_encoder, set_device


def training_plan(config):
    """IndexNet's one stage: everything learns, the pretrained encoder slowly."""
    trains = {"encoder": 1 / config.backbone_lr_mult, "pools": 1, "context": 1, "decoder": 1, "prediction": 1}
    return (TrainingStage("indexnet", trains, MattingLoss(config.alpha_loss_weight), Adam, learning_rates),)


@entry_point
def main(argv=None):
    config, _ = load_config(config_parser("Train IndexNet with MindSpore."), argv)
    config = with_own_device(settle_batch_norm(config))
    set_device(config)
    peers = join(config)
    ms.set_seed(config.seed)
    network = IndexNet(config.network)
    if config.ckpt_url:
        load_encoder(network, config.ckpt_url, [row[3] for row in config.inverted_residual_setting])
    for stage in training_plan(config):
        learner = Learner(network, stage, config, peers)
        train(stage, learner, partial(TrainingLoader, config, peers.rank, peers.count), config, peers)


if __name__ == "__main__":
    main()
