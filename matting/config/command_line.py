"""The command line: every key a flag, which beats --config_path, the YAML beside a checkpoint, and the defaults."""
import argparse
import sys

from matting.config.settings import ALL_STAGES, CHECKPOINT_KEYS, FIELDS, MODELS
from matting.config.values import parsed
from matting.config.yaml_files import make_config, nearest, read_yaml, trained_with
from matting.errors import UserError


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

    with_checkpoint: --ckpt_url is required, and the network and normalisation are those that it was trained with,
    where the config.yaml beside it tells. Raises UserError for unknown keys and flags, naming the nearest known one,
    and for values of the wrong type.
    """
    arguments, unknown = parser.parse_known_args(argv)
    for token in unknown:
        if token.startswith("-"):
            raise UserError(f"unknown flag {token}{nearest(token.lstrip('-').split('=')[0], FIELDS, '--')}")
        raise UserError(f"unexpected argument {token!r}; see --help")
    flags = {key: " ".join(getattr(arguments, key)) for key in FIELDS if getattr(arguments, key) is not None}

    chosen = read_yaml(arguments.config_path) if arguments.config_path else {}
    chosen.update({key: parsed(key, FIELDS[key], text) for key, text in flags.items()})
    if with_checkpoint:
        if not chosen.get("ckpt_url"):
            raise UserError("--ckpt_url is missing; name the checkpoint to use")
        told = trained_with(chosen["ckpt_url"])
        chosen = {key: told[key] for key in CHECKPOINT_KEYS if key in told} | chosen
    own = {key: value for key, value in vars(arguments).items() if key not in FIELDS and key != "config_path"}
    return make_config(chosen), argparse.Namespace(**own)


def load_stages(parser, argv=None):
    """As load_config: the configuration of the stage that is to be trained, or of each where all are."""
    argv = list(sys.argv[1:] if argv is None else argv)
    config, _ = load_config(parser, argv)
    stages = MODELS[config.model].stages if config.stage == ALL_STAGES else (config.stage,)
    return [load_config(parser, [*argv, "--stage", stage])[0] for stage in stages]
