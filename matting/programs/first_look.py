"""A first look at data, network and losses: one batch, its label, a forward pass and both losses, printed."""
import numpy as np

from matting.compat import zip_equal
from matting.dataset.columns import COLUMNS, documented_label
from matting.dataset.feed import TrainingFeed

LOSS_WEIGHTS = {"alpha": 1, "composition": 0}  # loss: alpha_loss_weight that leaves only that one


def first_look(config, predict, loss):
    """Print what a user checks before a training.

    predict: (B, 4, H, W) -> (B, 1, H, W) float32 arrays. loss(weight, prediction, batch): the matting loss, a float.
    """
    feed = TrainingFeed(config)
    samples = [feed[position] for position in range(config.batch_size)]
    batch = {name: np.stack(column) for name, column in zip_equal(COLUMNS, zip_equal(*samples))}
    alpha = predict(batch["input"])
    for name, array in {**batch, "label (11 channels)": documented_label(batch), "predicted alpha": alpha}.items():
        print(f"{name}: {array.shape}, {array.min():.3g} to {array.max():.3g}")
    for name, weight in LOSS_WEIGHTS.items():
        print(f"{name} loss: {loss(weight, alpha, batch):.4f}")
