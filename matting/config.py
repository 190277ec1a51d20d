"""Configuration: default_config.yaml, then the YAML beside a checkpoint, then --config_path, then flags.

Read once by a program's main, frozen, and passed down; importing this module reads nothing.
"""
import argparse
import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml

from matting.errors import UserError

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "default_config.yaml"
RESOLVED_NAME = "config.yaml"  # the effective configuration, written beside the checkpoints

CHOICES = {
    "composition": ("offline", "online"),
    "resampling": ("indexed", "max"),
    "index_kind": ("holistic", "depthwise_o2o", "depthwise_m2o"),
    "conv_operator": ("std_conv", "dep_sep_conv"),
    "encoder_bn": ("frozen", "statistics_frozen", "trained"),
    "output_stride": (16, 32),
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
    """All that a network's constructor takes; two networks of equal NetworkConfig load each other's weights."""

    resampling: str
    index_kind: str
    use_context: bool
    use_nonlinear: bool
    index_expansion: int
    width_mult: float
    output_stride: int
    rate: int
    current_stride: int
    inverted_residual_setting: tuple
    apply_aspp: bool
    conv_operator: str
    decoder_kernel_size: int
    encoder_bn: str


@dataclass(frozen=True)
class Config(NetworkConfig):
    """Every key of default_config.yaml, where each is explained."""

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

    def __post_init__(self):
        for key, allowed in CHOICES.items():
            if getattr(self, key) not in allowed:
                raise UserError(f"{key} {getattr(self, key)!r} is not one of {', '.join(map(str, allowed))}")
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
        """The part of the configuration that a network is built from."""
        return NetworkConfig(**{field.name: getattr(self, field.name) for field in dataclasses.fields(NetworkConfig)})


FIELDS = {field.name: field.type for field in dataclasses.fields(Config)}
# What a checkpoint was trained with and can only be used with.
CHECKPOINT_KEYS = tuple(f.name for f in dataclasses.fields(NetworkConfig)) + ("img_scale", "img_mean", "img_std")


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

    values = read_yaml(DEFAULT_CONFIG)
    overrides = read_yaml(arguments.config_path) if arguments.config_path else {}
    if with_checkpoint:
        checkpoint = flags.get("ckpt_url", overrides.get("ckpt_url", values["ckpt_url"]))
        if not checkpoint:
            raise UserError("--ckpt_url is missing; name the checkpoint to use")
        beside = Path(checkpoint).parent / RESOLVED_NAME
        if beside.is_file():
            trained_with = read_yaml(beside)
            values.update({key: trained_with[key] for key in CHECKPOINT_KEYS if key in trained_with})
    values.update(overrides)
    values.update({key: parse_value(key, text) for key, text in flags.items()})
    own = {key: value for key, value in vars(arguments).items() if key not in FIELDS and key != "config_path"}
    return make_config(values), argparse.Namespace(**own)


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
    if kind is float and isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return float(value)  # YAML reads 1e-4 as text
        except ValueError:
            pass
    if kind is tuple and isinstance(value, list | tuple):
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
