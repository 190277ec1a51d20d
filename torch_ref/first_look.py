"""Print the shapes of a batch and of a forward pass, and both losses; every key of default_config.yaml is a flag.

python -m torch_ref.first_look --model dim --data_dir AIM-500 --bg_dir train2014 --composition online --batch_size 2
"""
import torch

from matting.config import config_parser, load_config
from matting.errors import entry_point
from matting.programs.first_look import first_look
from torch_ref.learner import LOSS_COLUMNS
from torch_ref.losses import MattingLoss
from torch_ref.registry import build
from torch_ref.utils import find_device, predictor


def loss_of(weight, prediction, batch):
    """The matting loss of arrays."""
    arrays = (prediction, *(batch[name] for name in LOSS_COLUMNS))
    return MattingLoss(weight)(*map(torch.from_numpy, arrays)).item()


@entry_point
def main(argv=None):
    config, _ = load_config(config_parser(__doc__, "torch_ref.first_look"), argv)
    device = find_device(config)
    torch.manual_seed(config.seed)
    first_look(config, predictor(build(config).to(device)), loss_of)


if __name__ == "__main__":
    main()
