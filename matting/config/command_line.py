"""The command line: every key a flag, which beats --config_path, what a checkpoint tells, and the defaults.

jsonargparse 4.53 was tried: it refuses the documented `--milestones 20 26` and `--apply_aspp 0`, names no nearest flag,
and takes explanations from docstrings, which would be a second place beside default_config.yaml.
"""
import argparse
import copy
import logging
from functools import partial

from matting.classical import NETWORK
from matting.config.checkpoint import brought
from matting.config.explanations import default_text, explanations
from matting.config.programs import EVERYTHING, PROGRAMS
from matting.config.settings import ALL_STAGES, CHOICES, FIELDS, MODELS, START_KEYS
from matting.config.shipped import OTHERS, shipped_weights
from matting.config.values import parsed
from matting.config.yaml_files import make_config, nearest, read_yaml
from matting.errors import UsageError, UserError
from matting.weights.published import holds_network

log = logging.getLogger(__name__)

EPILOG = "Every program accepts every key of default_config.yaml; --help_all shows also those that this one ignores."
METAVARS = {bool: "True|False", int: "NUMBER", float: "NUMBER", str: "PATH", tuple: "NUMBER"}
WORDS = (*CHOICES, "stage", "weights_from")  # texts that are no paths
INDENT = 28  # columns before the explanations in --help


class ConfigParser(argparse.ArgumentParser):
    """A parser with a flag for each key, that explains those which a Program uses, and all with --help_all."""

    def __init__(self, description, program, command=None):
        self.required = ("ckpt_url",) if program.brought and not (program.shipped and shipped_weights()) else ()
        super().__init__(prog=command, description=description, epilog=EPILOG, allow_abbrev=False,
                         formatter_class=partial(_Formatter, required=self.required))
        self.program = program
        self.explained = program.keys  # by --help
        self.flags = {}
        self.add_argument("--help_all", action=_HelpAll, help="show this message with the keys that are ignored here")
        self.add_argument("--config_path", metavar="FILE", help="YAML file that overrides default_config.yaml")
        for heading, meanings in explanations().items():
            used, ignored = (self.add_argument_group(title) for title in (heading, f"{heading} (ignored here)"))
            for key in filter(FIELDS.get, meanings):
                self.flags[key] = _add_flag(used if key in program.keys else ignored, key)

    def format_help(self):
        for meanings in explanations().values():
            for key, meaning in meanings.items():
                if key in self.flags and key in self.explained:
                    self.flags[key].help = f"{meaning} ({self._remark(key)})".replace("%", "%%")
        return super().format_help()

    def _remark(self, key):
        if key in self.required:
            return "required"
        if key == "ckpt_url" and self.program.shipped:
            return "default: the weights that come with the project"
        if key in self.program.defaults:
            return f"default: {self.program.defaults[key]}"
        brought = "the checkpoint's, or " if key in self.program.brought else ""
        return f"default: {brought}{default_text(key, by_stage='stage' in self.program.keys)}"


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of a description; of all keys, only what is required stands in the usage."""

    def __init__(self, prog, required):
        super().__init__(prog, max_help_position=INDENT)
        self.required = required

    def add_usage(self, usage, actions, groups, prefix=None):
        shown = [copy.copy(action) for action in actions if action.dest not in FIELDS or action.dest in self.required]
        for action in shown:
            if action.dest in self.required:
                action.required, action.help = True, None
        super().add_usage(usage, [*shown, argparse.Action(["--key"], "key", metavar="VALUE ...")], groups, prefix)


class _HelpAll(argparse.Action):
    def __init__(self, **options):
        super().__init__(nargs=0, **options)

    def __call__(self, parser, namespace, values, option_string=None):
        parser.explained = FIELDS
        parser.print_help()
        parser.exit()


def config_parser(description, program=None):
    """A ConfigParser for a row of PROGRAMS; programs add their own arguments, then call `load_config`."""
    row = PROGRAMS[program] if program else EVERYTHING
    return ConfigParser(description, row, program and (row.command or f"python -m {program}"))


def load_config(parser, argv=None):
    """Parse `argv` -> (Config, Namespace of the program's own arguments).

    Of a program that takes a checkpoint, the keys that the checkpoint brings are those that it was trained with, where
    it is a published one, or the config.yaml beside it or in it tells. Raises UserError for unknown keys and flags,
    naming the nearest known one, and for values of the wrong type, UsageError for a checkpoint that is missing and an
    argument too many.
    """
    chosen, own = _chosen(parser, argv)
    if parser.program.brought and getattr(own, "method", NETWORK) == NETWORK:
        if not chosen.get("ckpt_url"):
            chosen["ckpt_url"] = _default_checkpoint(parser)
        chosen = brought(chosen["ckpt_url"], parser.program.brought, chosen.get("weights_from", "")) | chosen
    return make_config({**parser.program.defaults, **chosen}), own


def _default_checkpoint(parser):
    """The weights that come with the project, where the program takes them."""
    path = shipped_weights() if parser.program.shipped else None
    if path:
        log.info("no --ckpt_url: %s, which comes with the project", path)
        return str(path)
    instead = (f", and no weights come with this project yet; {OTHERS}, and --method knn needs none"
               if parser.program.shipped else "; name the checkpoint to use")
    raise UsageError(f"--ckpt_url is missing{instead}", parser.format_usage())


def load_stages(parser, argv=None):
    """As load_config: the configuration of the stage that is to be trained, or of each where all are.

    Where --ckpt_url holds a whole network, the first of them starts from it, and all are of its kind.
    """
    chosen, _ = _chosen(parser, argv)
    if chosen.get("ckpt_url") and holds_network(chosen["ckpt_url"]):
        chosen = brought(chosen["ckpt_url"], START_KEYS, chosen.get("weights_from", "")) | chosen
    elif chosen.get("weights_from"):
        raise UserError(f"--weights_from {chosen['weights_from']}: --ckpt_url names no published network to start from")
    config = make_config(chosen)
    if config.stage != ALL_STAGES:
        return [config]
    first, *later = MODELS[config.model].stages
    own = {"ckpt_url": "", "weights_from": ""}  # of a later stage, which starts from the one before
    return [make_config(chosen | {"stage": first}), *(make_config(chosen | own | {"stage": stage}) for stage in later)]


def _chosen(parser, argv):
    """{key: value} of --config_path and flags, and the Namespace of the program's own arguments."""
    arguments, unknown = parser.parse_known_args(argv)
    for token in unknown:
        if token.startswith("-"):
            raise UserError(f"unknown flag {token}{nearest(token.lstrip('-').split('=')[0], FIELDS, '--')}")
        raise UsageError(f"unexpected argument {token!r}; see --help", parser.format_usage())
    flags = {key: " ".join(tokens) for key, tokens in vars(arguments).items() if key in FIELDS and tokens is not None}
    chosen = read_yaml(arguments.config_path) if arguments.config_path else {}
    chosen.update({key: parsed(key, FIELDS[key], text) for key, text in flags.items()})
    own = {key: value for key, value in vars(arguments).items() if key not in FIELDS and key != "config_path"}
    return chosen, argparse.Namespace(**own)


def _add_flag(group, key):
    kind = FIELDS[key]
    metavar = "WORD" if kind is str and key in WORDS else METAVARS[kind]
    # only lists take several tokens, so that positional arguments may follow a flag
    return group.add_argument(f"--{key}", nargs="+" if kind is tuple else 1, metavar=metavar,
                              help=argparse.SUPPRESS)
