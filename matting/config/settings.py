"""The settings as frozen dataclasses, checked when they are made: a network's, and all that a program is told."""
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from matting.config.defaults import DEFAULT_CONFIG, default_values, settings_file
from matting.config.values import EXPECTED, INSTEAD, OWN, typed
from matting.errors import UserError

CHOICES = {
    "model": ("indexnet", "dim"),
    "composition": ("offline", "online"),
    "resampling": ("indexed", "max", "bilinear"),
    "index_kind": ("holistic", "depthwise_o2o", "depthwise_m2o"),
    "conv_operator": ("std_conv", "dep_sep_conv"),
    "encoder_bn": ("frozen", "statistics_frozen", "trained"),
    "output_stride": (16, 32),
    "bridge": ("conv3x3", "fc6"),
    "output_activation": ("sigmoid", "linear"),
    "refine_on": ("alpha", "logit"),
    "trimap_rule": ("distance", "dilation"),
    "unknown_regions": ("band", "varied"),
    "augmentation": ("none", "strong"),
    "layout": ("auto", "prepared", "folders", "composition_1k", "alphamatting", "alphamatting_trimap2"),
    "fit": ("up", "down", "down_linear", "pad", "resize"),
    "metric_protocol": ("release", "adobe"),
    "device_target": ("GPU", "Ascend", "CPU"),
}
POSITIVE = (
    "batch_size", "epochs", "num_bgs_train", "num_bgs_val", "input_size", "img_scale", "width_mult",
    "index_expansion", "rate", "current_stride", "keep_checkpoint_max", "num_workers", "log_every", "learning_rate",
    "backbone_lr_mult", "lr_decay",
)
NOT_NEGATIVE = ("seed", "max_steps", "val_every", "device_id", "device_start", "clip_norm", "ema_decay")
NUMBERS = ("scales", "img_mean", "img_std", "img_size", "milestones")  # lists of them
LENGTHS = {"img_size": 2, "img_mean": 4, "img_std": 4, "inverted_residual_setting": 7}
BLOCK = 6  # numbers that inverted_residual_setting says of each stage


def settings(kind):
    """A frozen dataclass of keys of default_config.yaml, made with those that are to differ from the defaults there.

    Values may be as YAML gives them, lists for tuples. Making one raises UserError for a value of the wrong type.
    """
    kind = dataclass(frozen=True)(kind)
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    assign = kind.__init__

    def __init__(self, **given):
        values = {key: typed(key, types[key], value) if key in types else value for key, value in given.items()}
        if len(values) < len(types):
            defaults = _whole_defaults(values.get("model", kind.of_model), values.get("stage"))
            values = {key: typed(key, types[key], defaults[key]) for key in types} | values
        assign(self, **values)

    kind.__init__ = __init__
    return kind


def _whole_defaults(model, stage):
    """default_values, which users edit; raises UserError unless they are of exactly the keys that there are."""
    values = default_values(model, stage)
    wrong = [f"lacks {key}" for key in FIELDS if key not in values]
    wrong += [f"has the unknown key {key}" for key in values if key not in FIELDS]
    if wrong:
        raise UserError(f"{settings_file(DEFAULT_CONFIG)}: {', '.join(wrong)}; restore it from the project")
    return values


@settings
class NetworkConfig:
    """What every network's constructor takes; two networks of equal configuration load each other's weights."""

    of_model = None  # whose defaults these are; None: of the default model

    resampling: str
    index_kind: str
    use_context: bool
    use_nonlinear: bool
    index_expansion: int
    width_mult: float
    decoder_kernel_size: int
    encoder_bn: str

    def __post_init__(self):
        def own(keys):
            found = [(key, getattr(self, key)) for key in keys if hasattr(self, key)]
            return [(key, value) for key, value in found if value not in INSTEAD.get(key, ())]

        for key, value in own(CHOICES):
            if value not in CHOICES[key]:
                raise UserError(f"{key} {value!r} is not one of {', '.join(map(str, CHOICES[key]))}")
        for key, value in own(POSITIVE):
            if value <= 0:
                raise UserError(f"{key} {value} must be greater than 0")
        for key, value in own(NOT_NEGATIVE):
            if value < 0:
                raise UserError(f"{key} {value} must be 0 or more")
        for key, value in own(NUMBERS):
            if any(isinstance(entry, tuple) for entry in value):
                raise UserError(f"{key} {value}: expected {EXPECTED[tuple]}")
        for key, value in own(LENGTHS):
            if len(value) != LENGTHS[key]:
                raise UserError(f"{key} needs {LENGTHS[key]} entries, not {len(value)}")
        if self.decoder_kernel_size % 2 == 0:
            raise UserError(f"decoder_kernel_size {self.decoder_kernel_size} must be odd")


@settings
class IndexNetConfig(NetworkConfig):
    """All that IndexNet is built from; IndexNetConfig() is the default network."""

    of_model = "indexnet"

    output_stride: int
    rate: int
    current_stride: int
    inverted_residual_setting: tuple
    apply_aspp: bool
    conv_operator: str

    def __post_init__(self):
        super().__post_init__()
        for row in self.inverted_residual_setting:
            if not isinstance(row, tuple) or len(row) != BLOCK or not all(isinstance(number, int) for number in row):
                raise UserError(f"inverted_residual_setting: {row} is not a row of {BLOCK} whole numbers")


@settings
class DimConfig(NetworkConfig):
    """All that Deep Image Matting is built from; DimConfig() is its default network."""

    of_model = "dim"

    encoder_batch_norm: bool
    decoder_batch_norm: bool
    bridge: str
    decoder_skips: bool
    output_activation: str
    refine: bool
    refine_on: str

    def __post_init__(self):
        super().__post_init__()
        if self.refine_on == "logit" and self.output_activation == "linear":
            raise UserError("refine_on logit corrects what a sigmoid follows, and output_activation linear has none; "
                            "use refine_on alpha or output_activation sigmoid")


class ModelRow(NamedTuple):
    """What the configuration has to know of a model."""

    network: type  # its NetworkConfig
    stages: tuple  # of its training, in order


MODELS = {"indexnet": ModelRow(IndexNetConfig, ("indexnet",)),
          "dim": ModelRow(DimConfig, ("encoder_decoder", "refine", "finetune"))}
ALL_STAGES = "all"


@settings
class Config(IndexNetConfig, DimConfig):
    """Every key of default_config.yaml, where each is explained.

    Config(model="dim") has Deep Image Matting's defaults, and with stage="refine" those of that training stage.
    """

    of_model = None

    model: str
    stage: str
    data_dir: str
    layout: str
    bg_dir: str
    val_list: str
    train_list: str
    num_bgs_train: int
    num_bgs_val: int
    composition: str
    cache_dir: str
    skip_bad_samples: bool
    num_workers: int
    seed: int
    input_size: int
    scales: tuple
    trimap_rule: str
    unknown_regions: str
    augmentation: str
    img_scale: float
    img_mean: tuple
    img_std: tuple
    img_size: tuple  # or OWN
    fit: str
    batch_size: int
    epochs: int
    max_steps: int
    learning_rate: float
    backbone_lr_mult: float
    lr_decay: float
    milestones: tuple
    alpha_loss_weight: float
    amp: bool
    clip_norm: float
    ema_decay: float
    val_every: int
    log_every: int
    keep_checkpoint_max: int
    resume: bool
    metric_protocol: str
    ckpt_url: str
    weights_from: str
    logs_dir: str
    device_target: str
    device_id: int
    device_start: int
    is_distributed: bool
    sync_batch_norm: bool

    def __post_init__(self):
        super().__post_init__()
        stages = (ALL_STAGES, *MODELS[self.model].stages)
        if self.stage not in stages:
            raise UserError(f"stage {self.stage!r} of model {self.model} is not one of {', '.join(stages)}")
        if self.stage == "refine" and not self.refine:
            raise UserError("refine False leaves stage refine nothing to train; train encoder_decoder alone")
        if self.composition == "offline" and self.augmentation != "none":
            raise UserError(f"augmentation {self.augmentation} composes each sample anew; use it with composition "
                            "online")
        if self.composition == "offline" and self.train_list:
            raise UserError(f"train_list {self.train_list!r} chooses foregrounds to compose; use it with composition "
                            "online")
        if self.input_size % 32:
            raise UserError(f"input_size {self.input_size} is not a multiple of 32; "
                            f"{-(-self.input_size // 32) * 32} is the next one")
        if not self.scales or min(self.scales) <= 0 or min(self.scales) > 1:
            raise UserError(f"scales {self.scales} need an entry of at most 1, so that a crop fits every image, "
                            "and all of them greater than 0")
        if not 0 <= self.alpha_loss_weight <= 1:
            raise UserError(f"alpha_loss_weight {self.alpha_loss_weight} must lie in [0, 1]")
        if self.ema_decay >= 1:
            raise UserError(f"ema_decay {self.ema_decay} must be less than 1")
        if self.img_size != OWN and not all(isinstance(side, int) and side > 0 for side in self.img_size):
            raise UserError(f"img_size {self.img_size} must be a height and a width in pixels, or {OWN}")

    @property
    def network(self):
        """The part of the configuration that the model's network is built from."""
        kind = MODELS[self.model].network
        return kind(**{field.name: getattr(self, field.name) for field in dataclasses.fields(kind)})

    @property
    def stage_before(self):
        """The name of the stage whose weights this one starts from; None for a first stage and for all of them."""
        stages = (None, *MODELS[self.model].stages)
        return None if self.stage == ALL_STAGES else stages[stages.index(self.stage) - 1]

    def folder(self, stage):
        """Where a stage's checkpoints and reports lie: logs_dir, or below it where the model has several stages."""
        return Path(self.logs_dir, *([stage] if len(MODELS[self.model].stages) > 1 else []))


FIELDS = {field.name: field.type for field in dataclasses.fields(Config)}
NETWORK_KEYS = tuple(dict.fromkeys(field.name for model in MODELS.values()
                                   for field in dataclasses.fields(model.network)))
# What a checkpoint was trained with and can only be used with.
CHECKPOINT_KEYS = ("model", *NETWORK_KEYS, "img_scale", "img_mean", "img_std", "fit")
# Of these, what stays where training starts from a checkpoint: its stages decide what they refine.
START_KEYS = tuple(key for key in CHECKPOINT_KEYS if key != "refine")
# What decides which foregrounds it was validated on, and over which backgrounds, where these are not prepared.
VALIDATION_KEYS = ("composition", "val_list", "num_bgs_train", "num_bgs_val")
# Of one machine or one start of a program. They stay out of weight files, so that equal trainings write equal files and
# nobody's paths are passed on.
LOCAL_KEYS = ("data_dir", "layout", "bg_dir", "val_list", "train_list", "cache_dir", "ckpt_url", "weights_from",
              "logs_dir", "num_workers", "log_every", "keep_checkpoint_max", "resume", "device_target", "device_id",
              "device_start", "is_distributed")
