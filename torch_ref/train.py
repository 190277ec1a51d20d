"""Train a model with PyTorch, stage after stage, on one device; every key of default_config.yaml is a flag.

python -m torch_ref.train --data_dir AIM-500 --bg_dir train2014 --ckpt_url MOBILENET.pth --logs_dir logs
python -m torch_ref.train --model dim --data_dir AIM-500 --bg_dir train2014 --ckpt_url VGG16_BN.pth --logs_dir logs
"""
from functools import partial

import torch

from matting.config import config_parser, load_stages
from matting.errors import UserError, entry_point
from matting.training.trainer import settle_batch_norm, train
from torch_ref.dataset import TrainingLoader
from torch_ref.learner import Learner
from torch_ref.registry import build, start_stage, training_plan
from torch_ref.utils import find_device


def train_stage(config, device):
    """Train config.stage from what it starts with to its end."""
    torch.manual_seed(config.seed)
    network = build(config)
    start_stage(network, config)
    network.to(device)
    stage = {stage.name: stage for stage in training_plan(config)}[config.stage]
    train(stage, Learner(network, stage, config), partial(TrainingLoader, config, 0, 1), config)


@entry_point
def main(argv=None):
    configs = [settle_batch_norm(config)
               for config in load_stages(config_parser(__doc__, "torch_ref.train"), argv)]
    if configs[0].is_distributed:
        raise UserError("--is_distributed True: the PyTorch reference trains on one device; use ms_impl.train")
    device = find_device(configs[0])
    for config in configs:
        train_stage(config, device)


if __name__ == "__main__":
    main()
