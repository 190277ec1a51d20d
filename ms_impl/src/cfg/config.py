"""The parameter parser of the MindSpore programs: flags, YAML files, and what a launcher tells each of its processes.

Keys, defaults and their checks are the project's (matting/config); the device of each process is MindSpore's.
"""
import os
from dataclasses import replace

from matting.config import config_parser, load_config, load_stages

LOCAL_RANK = ("DEVICE_ID", "OMPI_COMM_WORLD_LOCAL_RANK")  # as ms_impl.launch and msrun tell it, and mpirun


def get_config(description, program, argv=None, add_arguments=lambda parser: None):
    """Parse `argv` for the program ms_impl.PROGRAM -> (Config, Namespace of what add_arguments(parser) added)."""
    parser = config_parser(description, f"ms_impl.{program}")
    add_arguments(parser)
    return load_config(parser, argv)


def get_stages(description, argv=None):
    """Parse `argv` for ms_impl.train -> this process's Config of the stage that is to be trained, or of each."""
    return [with_own_device(config) for config in load_stages(config_parser(description, "ms_impl.train"), argv)]


def with_own_device(config):
    """The configuration of this process: of a distributed run each has a device of its own, from device_start up."""
    if not config.is_distributed:
        return config
    local_rank = next((int(os.environ[name]) for name in LOCAL_RANK if name in os.environ), 0)
    return replace(config, device_id=config.device_start + local_rank)
