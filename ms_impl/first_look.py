"""Print the shapes of a batch and of a forward pass, and both losses; every key of default_config.yaml is a flag.

python -m ms_impl.first_look --model dim --data_dir AIM-500 --bg_dir train2014 --composition online --batch_size 2
"""
import mindspore as ms

from matting.errors import entry_point
from matting.programs.first_look import first_look
from ms_impl.learner import LOSS_COLUMNS
from ms_impl.registry import build
from ms_impl.src.cfg.config import get_config
from ms_impl.src.losses import MattingLoss
from ms_impl.src.utils import predictor, set_device


def loss_of(weight, prediction, batch):
    """The matting loss of arrays."""
    arrays = (prediction, *(batch[name] for name in LOSS_COLUMNS))
    return MattingLoss(weight)(*map(ms.Tensor, arrays)).asnumpy().item()


@entry_point
def main(argv=None):
    config, _ = get_config(__doc__, "first_look", argv)
    set_device(config)
    ms.set_seed(config.seed)
    first_look(config, predictor(build(config)), loss_of)


if __name__ == "__main__":
    main()
