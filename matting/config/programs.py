"""Which keys each program uses, and so shows in its --help; every program accepts all of them."""
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from matting.config.settings import CHECKPOINT_KEYS, FIELDS, NETWORK_KEYS, VALIDATION_KEYS


class Program(NamedTuple):
    """A row of PROGRAMS."""

    keys: tuple
    brought: tuple = ()  # keys that are a checkpoint's, unless given; where there are any, --ckpt_url is required
    shipped: bool = False  # whether the weights that come with the project take the place of a missing --ckpt_url
    command: "str | None" = None  # what a user types, where that is not python -m and the program's name
    defaults: Mapping = MappingProxyType({})  # where they are not those of default_config.yaml


NETWORK = ("model", *NETWORK_KEYS)
NORMALISATION = ("img_scale", "img_mean", "img_std")
COMPOSITES = ("data_dir", "bg_dir", "val_list", "num_bgs_train", "num_bgs_val")
SAMPLES = ("train_list", "cache_dir", "skip_bad_samples", "seed", "input_size", "scales", "trimap_rule",
           "unknown_regions", "augmentation", "batch_size")
DEVICE = ("device_target", "device_id")
STEP = ("seed", "alpha_loss_weight", "backbone_lr_mult", "clip_norm", "amp")
PROCESSES = ("device_start", "is_distributed", "sync_batch_norm")
CHECKPOINT = ("ckpt_url", "weights_from")

EVALUATION = (*NETWORK, *NORMALISATION, *COMPOSITES, "layout", "composition", "img_size", "fit", "metric_protocol",
              *CHECKPOINT, "logs_dir", *DEVICE)
TRAINING = tuple(key for key in FIELDS if key != "layout")
EXPORT = (*NETWORK, "img_size", "fit", *CHECKPOINT)
PREDICTION = (*NETWORK, *NORMALISATION, "fit", *CHECKPOINT, *DEVICE)
FIRST_LOOK = (*NETWORK, *NORMALISATION, *COMPOSITES, "composition", *SAMPLES, *DEVICE)

PROGRAMS = {
    "data.process_dataset": Program((*COMPOSITES, "num_workers")),
    "ms_impl.train": Program(TRAINING),
    "torch_ref.train": Program(tuple(key for key in TRAINING if key not in PROCESSES)),
    "ms_impl.eval": Program(EVALUATION, (*CHECKPOINT_KEYS, *VALIDATION_KEYS)),
    "torch_ref.eval": Program(EVALUATION, (*CHECKPOINT_KEYS, *VALIDATION_KEYS)),
    "ms_impl.export": Program((*EXPORT, *DEVICE), CHECKPOINT_KEYS, command="python export.py"),
    "torch_ref.export": Program(EXPORT, CHECKPOINT_KEYS, command="python export.py --file_format ONNX"),
    "ms_impl.predict": Program(PREDICTION, CHECKPOINT_KEYS, shipped=True),
    "torch_ref.predict": Program(PREDICTION, CHECKPOINT_KEYS, shipped=True),
    "matting": Program(PREDICTION, CHECKPOINT_KEYS, True, "matte", {"device_target": "CPU"}),
    "ms_impl.first_look": Program(FIRST_LOOK),
    "torch_ref.first_look": Program(FIRST_LOOK),
    "parity.precision": Program((*NETWORK, "stage", *STEP)),
    "scripts.version_trial": Program((*NETWORK, *STEP, "learning_rate", "img_size")),
}
EVERYTHING = Program(tuple(FIELDS))  # of a parser that belongs to no row
