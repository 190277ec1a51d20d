"""Configuration, read once by a program's main, frozen, and passed down; importing this reads nothing.

A folder, since the work is of several kinds: settings (what there is, and what is wrong with it), defaults (where they
come from), explanations (what they mean), values (one key's), yaml_files (configurations as text), programs (who uses
what), command_line. To add a key: a line in default_config.yaml, one in settings, and the rows of programs that use it.
"""
from matting.config.checkpoint import brought
from matting.config.command_line import config_parser, load_config, load_stages
from matting.config.defaults import default_values, settings_file
from matting.config.settings import (
    CHECKPOINT_KEYS,
    CHOICES,
    FIELDS,
    MODELS,
    Config,
    DimConfig,
    IndexNetConfig,
    NetworkConfig,
)
from matting.config.shipped import default_weights
from matting.config.yaml_files import (
    RESOLVED_NAME,
    config_from_text,
    config_to_text,
    make_config,
    read_yaml,
    save_config,
    text_for_weights,
    trained_with,
    values_of,
)

__all__ = ["CHECKPOINT_KEYS", "CHOICES", "FIELDS", "MODELS", "RESOLVED_NAME", "Config", "DimConfig", "IndexNetConfig",
           "NetworkConfig", "brought", "config_from_text", "config_parser", "config_to_text", "default_values",
           "default_weights", "load_config", "load_stages", "make_config", "read_yaml", "save_config", "settings_file",
           "text_for_weights", "trained_with", "values_of"]
