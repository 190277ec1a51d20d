"""Train a model with MindSpore, stage after stage; every key of default_config.yaml is a flag.

python -m ms_impl.train --data_dir AIM-500 --bg_dir train2014 --ckpt_url MOBILENET.ckpt --logs_dir logs
python -m ms_impl.train --model dim --data_dir AIM-500 --bg_dir train2014 --ckpt_url VGG16_BN.pth --logs_dir logs
"""
from functools import partial

import mindspore as ms

from matting.errors import entry_point
from matting.training.trainer import settle_batch_norm, train
from ms_impl.data_parallel import join
from ms_impl.learner import Learner
from ms_impl.registry import build, start_stage, training_plan
from ms_impl.src.cfg.config import get_stages
from ms_impl.src.dataset import TrainingLoader
from ms_impl.src.formulations import share_batch_statistics
from ms_impl.src.utils import set_device


def train_stage(config, group):
    """Train config.stage from what it starts with to its end."""
    ms.set_seed(config.seed)
    network = build(config)
    if group.rank == 0:  # which hands over what it starts from
        start_stage(network, config)
    if config.sync_batch_norm and group.size > 1:
        share_batch_statistics(network, group.size)
    stage = {stage.name: stage for stage in training_plan(config)}[config.stage]
    learner = Learner(network, stage, config, group)
    loader = partial(TrainingLoader, config, group.rank, group.size, sharing=group.here)
    train(stage, learner, loader, config, group)


@entry_point
def main(argv=None):
    configs = [settle_batch_norm(config) for config in get_stages(__doc__, argv)]
    set_device(configs[0])
    group = join(configs[0])
    for config in configs:
        train_stage(config, group)


if __name__ == "__main__":
    main()
