"""Configuration: default_config.yaml, what the model changes in it, the YAML beside a checkpoint, --config_path, flags.

Read once by a program's main, frozen, and passed down; importing this module reads nothing.
"""
import argparse
import dataclasses
import difflib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import yaml

from matting.errors import UserError

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "default_config.yaml"
DIM_CONFIG = DEFAULT_CONFIG.with_name("dim_config.yaml")
RESOLVED_NAME = "config.yaml"  # the effective configuration, written beside the checkpoints

CHOICES = {
    "model": ("indexnet", "dim"),
    "composition": ("offline", "online"),
    "resampling": ("indexed", "max", "bilinear"),
    "index_kind": ("holistic", "depthwise_o2o", "depthwise_m2o"),
    "conv_operator": ("std_conv", "dep_sep_conv"),
    "encoder_bn": ("frozen", "statistics_frozen", "trained"),
    "output_stride": (16, 32),
    "bridge": ("conv3x3", "fc6"),
    "trimap_rule": ("distance", "dilation"),
    "metric_protocol": ("release", "adobe"),
    "device_target": ("GPU", "Ascend", "CPU"),
}
POSITIVE = (
    "batch_size", "epochs", "num_bgs_train", "num_bgs_val", "input_size", "img_scale", "width_mult",
    "index_expansion", "rate", "current_stride", "keep_checkpoint_max", "num_workers", "log_every", "learning_rate",
    "backbone_lr_mult", "lr_decay",
)
NOT_NEGATIVE = ("seed", "max_steps", "val_every", "device_id", "device_start", "clip_norm", "ema_decay")


@dataclass(frozen=True)
class NetworkConfig:
    """What every network's constructor takes; two networks of equal configuration load each other's weights."""

    resampling: str
    index_kind: str
    use_context: bool
    use_nonlinear: bool
    index_expansion: int
    width_mult: float
    decoder_kernel_size: int
    encoder_bn: str


@dataclass(frozen=True)
class IndexNetConfig(NetworkConfig):
    """All that IndexNet is built from."""

    output_stride: int
    rate: int
    current_stride: int
    inverted_residual_setting: tuple
    apply_aspp: bool
    conv_operator: str


@dataclass(frozen=True)
class DimConfig(NetworkConfig):
    """All that Deep Image Matting is built from."""

    encoder_batch_norm: bool
    decoder_batch_norm: bool
    bridge: str
    decoder_skips: bool
    refine: bool


class ModelRow(NamedTuple):
    """What the configuration has to know of a model."""

    network: type  # its NetworkConfig
    stages: tuple  # of its training, in order
    defaults: "Path | None" = None  # YAML of the keys whose defaults differ, for all stages and for each


MODELS = {"indexnet": ModelRow(IndexNetConfig, ("indexnet",)),
          "dim": ModelRow(DimConfig, ("encoder_decoder", "refine", "finetune"), DIM_CONFIG)}
ALL_STAGES = "all"


@dataclass(frozen=True)
class Config(IndexNetConfig, DimConfig):
    """Every key of default_config.yaml, where each is explained."""

    model: str
    stage: str
    data_dir: str
    bg_dir: str
    val_list: str
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
    img_scale: float
    img_mean: tuple
    img_std: tuple
    img_size: tuple
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
    logs_dir: str
    device_target: str
    device_id: int
    device_start: int
    is_distributed: bool
    sync_batch_norm: bool

    def __post_init__(self):
        for key, allowed in CHOICES.items():
            if getattr(self, key) not in allowed:
                raise UserError(f"{key} {getattr(self, key)!r} is not one of {', '.join(map(str, allowed))}")
        stages = (ALL_STAGES, *MODELS[self.model].stages)
        if self.stage not in stages:
            raise UserError(f"stage {self.stage!r} of model {self.model} is not one of {', '.join(stages)}")
        if self.stage == "refine" and not self.refine:
            raise UserError("refine False leaves stage refine nothing to train; train encoder_decoder alone")
        for key in POSITIVE:
            if getattr(self, key) <= 0:
                raise UserError(f"{key} {getattr(self, key)} must be greater than 0")
        if self.decoder_kernel_size % 2 == 0:
            raise UserError(f"decoder_kernel_size {self.decoder_kernel_size} must be odd")
        if self.input_size % 32:
            raise UserError(f"input_size {self.input_size} is not a multiple of 32; "
                            f"{-(-self.input_size // 32) * 32} is the next one")
        for key in NOT_NEGATIVE:
            if getattr(self, key) < 0:
                raise UserError(f"{key} {getattr(self, key)} must be 0 or more")
        if not self.scales or min(self.scales) <= 0 or min(self.scales) > 1:
            raise UserError(f"scales {self.scales} need an entry of at most 1, so that a crop fits every image, "
                            "and all of them greater than 0")
        if not 0 <= self.alpha_loss_weight <= 1:
            raise UserError(f"alpha_loss_weight {self.alpha_loss_weight} must lie in [0, 1]")
        if self.ema_decay >= 1:
            raise UserError(f"ema_decay {self.ema_decay} must be less than 1")
        lengths = {"img_size": 2, "img_mean": 4, "img_std": 4, "inverted_residual_setting": 7}
        for key, length in lengths.items():
            if len(getattr(self, key)) != length:
                raise UserError(f"{key} needs {length} entries, not {len(getattr(self, key))}")
        if not all(isinstance(side, int) and side > 0 for side in self.img_size):
            raise UserError(f"img_size {self.img_size} must be a height and a width in pixels")

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
# What a checkpoint was trained with and can only be used with.
CHECKPOINT_KEYS = ("model", *dict.fromkeys(field.name for model in MODELS.values()
                                           for field in dataclasses.fields(model.network)),
                   "img_scale", "img_mean", "img_std")


def config_parser(description):
    """An argument parser with one flag for each key; programs add their own arguments, then call `load_config`."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False,
                                     epilog="Keys and defaults are explained in default_config.yaml.")
    parser.add_argument("--config_path", metavar="FILE", help="YAML file that overrides default_config.yaml")
    group = parser.add_argument_group("configuration")
    for key, kind in FIELDS.items():  # only lists take several tokens, so that positional arguments may follow a flag
        group.add_argument(f"--{key}", nargs="+" if kind is tuple else 1, metavar="VALUE", help=argparse.SUPPRESS)
    return parser


def load_config(parser, argv=None, with_checkpoint=False):
    """Parse `argv` -> (Config, Namespace of the program's own arguments).

    with_checkpoint: --ckpt_url is required, and the network and normalisation are those of the config.yaml beside it,
    where there is one. Raises UserError for unknown keys and flags, naming the nearest known one, and for values of
    the wrong type.
    """
    arguments, unknown = parser.parse_known_args(argv)
    for token in unknown:
        if token.startswith("-"):
            raise UserError(f"unknown flag {token}{_nearest(token.lstrip('-').split('=')[0], FIELDS, '--')}")
        raise UserError(f"unexpected argument {token!r}; see --help")
    flags = {key: " ".join(getattr(arguments, key)) for key in FIELDS if getattr(arguments, key) is not None}

    chosen = read_yaml(arguments.config_path) if arguments.config_path else {}
    chosen.update({key: parse_value(key, text) for key, text in flags.items()})
    if with_checkpoint:
        if not chosen.get("ckpt_url"):
            raise UserError("--ckpt_url is missing; name the checkpoint to use")
        beside = Path(chosen["ckpt_url"]).parent / RESOLVED_NAME
        if beside.is_file():
            trained_with = read_yaml(beside)
            chosen = {key: trained_with[key] for key in CHECKPOINT_KEYS if key in trained_with} | chosen
    values = default_values(chosen.get("model"), chosen.get("stage")) | chosen
    own = {key: value for key, value in vars(arguments).items() if key not in FIELDS and key != "config_path"}
    return make_config(values), argparse.Namespace(**own)


def load_stages(parser, argv=None):
    """As load_config: the configuration of the stage that is to be trained, or of each where all are."""
    argv = list(sys.argv[1:] if argv is None else argv)
    config, _ = load_config(parser, argv)
    stages = MODELS[config.model].stages if config.stage == ALL_STAGES else (config.stage,)
    return [load_config(parser, [*argv, "--stage", stage])[0] for stage in stages]


def default_values(model=None, stage=None):
    """{key: value as YAML gives it} before a user chooses anything but the model and its training stage."""
    values = read_yaml(DEFAULT_CONFIG)
    model = values["model"] if model is None else model
    if model in CHOICES["model"] and MODELS[model].defaults:
        own = yaml.safe_load(MODELS[model].defaults.read_text(encoding="utf-8"))
        of_stages = own.pop("stages")
        values.update({**own, **(of_stages[stage] if stage in MODELS[model].stages else {})})
    return values | {"model": model}


def make_config(values):
    """{key: value as YAML gives it} -> Config; raises UserError for unknown, missing or ill-typed keys."""
    for key in values:
        if key not in FIELDS:
            raise UserError(f"unknown key {key}{_nearest(key, FIELDS)}")
    missing = [key for key in FIELDS if key not in values]
    if missing:
        raise UserError(f"missing keys: {', '.join(missing)}")
    return Config(**{key: _coerce(key, value) for key, value in values.items()})


def read_yaml(path):
    """A YAML file of known keys -> dict; raises UserError naming the file."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a YAML file ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'key: value' lines")
    for key in values:
        if key not in FIELDS:
            raise UserError(f"{path}: unknown key {key}{_nearest(str(key), FIELDS)}")
    return values


def save_config(config, folder):
    """Write the effective configuration into `folder`, where eval, export and predict look for it."""
    one_line = {"default_flow_style": True, "width": 10**6}
    lines = [f"{key}: {yaml.safe_dump(_plain(getattr(config, key)), **one_line).splitlines()[0]}" for key in FIELDS]
    (Path(folder) / RESOLVED_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")


def parse_value(key, text):
    """A flag's text -> a value: `20 26`, `20,26` and `[20, 26]` are the same list; true, True and 1 the same truth."""
    if FIELDS[key] is str:
        return text
    if FIELDS[key] is tuple and not text.lstrip().startswith("["):
        text = f"[{', '.join(text.replace(',', ' ').split())}]"
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--{key} {text}: expected {_expectation(key)}") from None


def _coerce(key, value):
    kind = FIELDS[key]
    if kind is bool and value in (0, 1):
        return bool(value)
    if kind is float and isinstance(value, (str, int)) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-4 as text
        except ValueError:
            pass
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    if kind is str and value is None:
        return ""
    if type(value) is kind:
        return value
    raise UserError(f"{key} {value!r}: expected {_expectation(key)}")


def _expectation(key):
    return {bool: "True or False", int: "a whole number", float: "a number", str: "text",
            tuple: "a list such as 20 26 or [20, 26]"}[FIELDS[key]]


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _nearest(word, known, prefix=""):
    match = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {prefix}{match[0]}?" if match else "; see default_config.yaml for the known ones"
