"""The learning rate, step by step: constant, times a factor at each milestone; or along a cosine."""
import numpy as np


def learning_rates(config, steps_per_epoch):
    """The new layers' learning rate at every step of config.epochs, float32; the pretrained encoder's is that over
    config.backbone_lr_mult.

    Milestone e takes effect with the first step of epoch e, epochs counted from 0; milestones in any order and number.
    """
    epoch = np.arange(config.epochs * steps_per_epoch) // steps_per_epoch
    milestones_passed = np.searchsorted(np.sort(config.milestones), epoch, side="right")
    return (config.learning_rate * config.lr_decay**milestones_passed).astype(np.float32)


def cosine_annealing(config, steps_per_epoch):
    """From config.learning_rate at the first step along half a cosine towards 0 after config.epochs, float32."""
    steps = config.epochs * steps_per_epoch
    return (config.learning_rate * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2).astype(np.float32)
