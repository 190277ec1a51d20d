"""Train IndexNet with PyTorch, on one device; every key of default_config.yaml is a flag.

python -m torch_ref.train --data_dir AIM-500 --bg_dir train2014 --ckpt_url MOBILENET.pth --logs_dir logs
"""
from functools import partial

import torch

from matting.config import config_parser, load_config
from matting.errors import UserError, entry_point
from matting.schedule import learning_rates
from matting.training import TrainingStage, settle_batch_norm, train
from torch_ref.dataset import TrainingLoader
from torch_ref.learner import Adam, Learner
from torch_ref.losses import MattingLoss
from torch_ref.model import IndexNet
from torch_ref.utils import find_device, load_encoder


def training_plan(config):
    """IndexNet's one stage: everything learns, the pretrained encoder slowly."""
    trains = {"encoder": 1 / config.backbone_lr_mult, "pools": 1, "context": 1, "decoder": 1, "prediction": 1}
    return (TrainingStage("indexnet", trains, MattingLoss(config.alpha_loss_weight), Adam, learning_rates),)


@entry_point
def main(argv=None):
    config, _ = load_config(config_parser("Train IndexNet with PyTorch."), argv)
    if config.is_distributed:
        raise UserError("--is_distributed True: the PyTorch reference trains on one device; use ms_impl.train")
    config = settle_batch_norm(config)
    device = find_device(config)
    torch.manual_seed(config.seed)
    network = IndexNet(config.network)
    if config.ckpt_url:
        load_encoder(network, config.ckpt_url, [row[3] for row in config.inverted_residual_setting])
    network.to(device)
    for stage in training_plan(config):
        train(stage, Learner(network, stage, config), partial(TrainingLoader, config, 0, 1), config)


if __name__ == "__main__":
    main()
