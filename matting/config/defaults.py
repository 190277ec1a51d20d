"""The defaults, which stand in default_config.yaml alone, and in dim_config.yaml where a model differs."""
import copy
import functools
from pathlib import Path

import yaml

from matting.errors import UserError

DEFAULT_CONFIG = "default_config.yaml"
MODEL_CONFIGS = {"dim": "dim_config.yaml"}  # model: what it sets otherwise, for all its training stages and for each

PACKAGE = Path(__file__).resolve().parent.parent


def settings_file(name):
    """The path of one of the files above: in the package folder, where an installation puts it, or beside that."""
    for folder in (PACKAGE, PACKAGE.parent):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{name}: lies neither in {PACKAGE} nor in {PACKAGE.parent}; install the project again")


def default_values(model=None, stage=None):
    """{key: value as YAML gives it} of a model and its training stage; of the default model where none is named."""
    values = copy.deepcopy(_contents(DEFAULT_CONFIG))
    model = values.get("model") if model is None else model
    if model in MODEL_CONFIGS:
        own = copy.deepcopy(_contents(MODEL_CONFIGS[model]))
        of_stages = own.pop("stages")
        values.update(own, **of_stages.get(stage, {}))
    return {**values, "model": model}


@functools.cache
def _contents(name):
    path = settings_file(name)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a YAML file ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected 'key: value' lines")
    return values
