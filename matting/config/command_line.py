"""The command line: every key a flag, which beats --config_path, the YAML of a checkpoint, and the defaults.

jsonargparse 4.53 was tried: it refuses the documented `--milestones 20 26` and `--apply_aspp 0`, names no nearest flag,
and takes explanations from docstrings, which would be a second place beside default_config.yaml.
"""
import argparse
import copy
import sys
from functools import partial

from matting.config.explanations import default_text, explanations
from matting.config.programs import EVERYTHING, PROGRAMS
from matting.config.settings import ALL_STAGES, CHOICES, FIELDS, MODELS
from matting.config.values import parsed
from matting.config.yaml_files import make_config, nearest, read_yaml, trained_with
from matting.errors import UsageError, UserError

EPILOG = "Every program accepts every key of default_config.yaml; --help_all shows also those that this one ignores."
METAVARS = {bool: "True|False", int: "NUMBER", float: "NUMBER", str: "PATH", tuple: "NUMBER"}
WORDS = (*CHOICES, "stage")  # texts that are no paths
INDENT = 28  # columns before the explanations in --help


class ConfigParser(argparse.ArgumentParser):
    """A parser with a flag for each key, that explains those which a Program uses, and all with --help_all."""

    def __init__(self, description, program, command=None):
        self.required = ("ckpt_url",) if program.brought else ()
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
    the config.yaml beside it or in it tells. Raises UserError for unknown keys and flags, naming the nearest known
    one, and for values of the wrong type, UsageError for a checkpoint that is missing and an argument too many.
    """
    arguments, unknown = parser.parse_known_args(argv)
    for token in unknown:
        if token.startswith("-"):
            raise UserError(f"unknown flag {token}{nearest(token.lstrip('-').split('=')[0], FIELDS, '--')}")
        raise UsageError(f"unexpected argument {token!r}; see --help", parser.format_usage())
    flags = {key: " ".join(tokens) for key, tokens in vars(arguments).items() if key in FIELDS and tokens is not None}

    chosen = read_yaml(arguments.config_path) if arguments.config_path else {}
    chosen.update({key: parsed(key, FIELDS[key], text) for key, text in flags.items()})
    if parser.program.brought:
        if not chosen.get("ckpt_url"):
            raise UsageError("--ckpt_url is missing; name the checkpoint to use", parser.format_usage())
        told = trained_with(chosen["ckpt_url"])
        chosen = {key: told[key] for key in parser.program.brought if key in told} | chosen
    own = {key: value for key, value in vars(arguments).items() if key not in FIELDS and key != "config_path"}
    return make_config({**parser.program.defaults, **chosen}), argparse.Namespace(**own)


def load_stages(parser, argv=None):
    """As load_config: the configuration of the stage that is to be trained, or of each where all are."""
    argv = list(sys.argv[1:] if argv is None else argv)
    config, _ = load_config(parser, argv)
    stages = MODELS[config.model].stages if config.stage == ALL_STAGES else (config.stage,)
    return [load_config(parser, [*argv, "--stage", stage])[0] for stage in stages]


def _add_flag(group, key):
    kind = FIELDS[key]
    metavar = "WORD" if kind is str and key in WORDS else METAVARS[kind]
    # only lists take several tokens, so that positional arguments may follow a flag
    return group.add_argument(f"--{key}", nargs="+" if kind is tuple else 1, metavar=metavar,
                              help=argparse.SUPPRESS)
