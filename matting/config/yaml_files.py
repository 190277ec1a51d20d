"""Configurations as YAML text: what a user writes, and config.yaml, which a training leaves beside its checkpoints."""
import difflib
from pathlib import Path

import yaml

from matting.config.settings import FIELDS, LOCAL_KEYS, Config
from matting.config.values import as_text, typed
from matting.embedded import NAME, embedded
from matting.errors import UserError
from matting.files import atomic_path

RESOLVED_NAME = NAME  # the effective configuration, written beside the checkpoints as well as into them
START, END = "---", "..."  # YAML's own words for where a text begins and ends: without the second it is not whole


def make_config(values):
    """{key: value as YAML gives it} -> Config, defaults for the rest; raises UserError for what is no key or value."""
    for key in values:
        if key not in FIELDS:
            raise UserError(f"unknown key {key}{nearest(str(key), FIELDS)}")
    return Config(**values)


def config_to_text(config, keys=tuple(FIELDS)):
    """A Config as YAML text, a line for each key."""
    lines = [f"{key}: {as_text(getattr(config, key))}" for key in keys]
    return "\n".join([START, *lines, END]) + "\n"


def text_for_weights(config):
    """A Config as the YAML text that goes into a weight file (matting.embedded): without LOCAL_KEYS."""
    return config_to_text(config, [key for key in FIELDS if key not in LOCAL_KEYS])


def config_from_text(text, source):
    """What config_to_text wrote -> Config; keys that came later have their defaults. Raises what values_of raises."""
    if not text.startswith(START):
        raise _damaged(source, f"its first line '{START}'")
    return make_config(values_of(text, source))


def values_of(text, source):
    """YAML text of known keys -> {key: value as YAML gives it}.

    Raises UserError, naming `source`, for text that is no YAML or was cut off, unknown keys and ill-typed values.
    """
    if text.startswith(START) and not text.rstrip().endswith(f"\n{END}"):
        raise _damaged(source, f"its last line '{END}'")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not a YAML file ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise UserError(f"{source}: expected 'key: value' lines")
    for key, value in values.items():
        if key not in FIELDS:
            raise UserError(f"{source}: unknown key {key}{nearest(str(key), FIELDS)}")
        try:
            typed(key, FIELDS[key], value)
        except UserError as error:
            raise UserError(f"{source}: {error}") from None
    return values


def read_yaml(path):
    """A YAML file of known keys -> {key: value as YAML gives it}; raises UserError naming the file."""
    try:
        return values_of(Path(path).read_text(encoding="utf-8"), path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such configuration file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a YAML file ({error})") from None


def save_config(config, folder):
    """Write the effective configuration into `folder`, atomically, where eval, export and predict look for it."""
    with atomic_path(Path(folder) / RESOLVED_NAME) as temporary:
        temporary.write_text(config_to_text(config), encoding="utf-8")


def trained_with(checkpoint):
    """{key: value} of the training that a weight file comes from; empty where nothing tells.

    The config.yaml beside it tells, or else the one in it. Raises what values_of raises.
    """
    beside = Path(checkpoint).parent / RESOLVED_NAME
    if not beside.exists():
        return values_of(embedded(checkpoint), f"{checkpoint}, the configuration in it")
    told = read_yaml(beside)
    if not told:
        raise _damaged(beside, "all that it should tell of the network")
    return told


def nearest(word, known, prefix=""):
    """The end of a message about an unknown word."""
    match = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {prefix}{match[0]}?" if match else "; see default_config.yaml for the known ones"


def _damaged(source, missing):
    return UserError(f"{source}: is damaged, {missing} is missing; restore it from where it was written")
