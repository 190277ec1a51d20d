"""Which keys of a configuration a program reads, in its own process and in the loaders that are forked from it."""
import os
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from matting.config import FIELDS, NetworkConfig

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = tuple(f"{ROOT / package}{os.sep}" for package in ("matting", "ms_impl", "torch_ref", "data", "parity",
                                                             "scripts"))
CONFIG = f"{ROOT / 'matting' / 'config'}{os.sep}"  # which reads every key, to check and to write it
READ_BY = {"folder": ("model", "logs_dir"), "stage_before": ("model", "stage"), "network": ("model",)}


@contextmanager
def recorded(path):
    """Within this context every key that the project's programs read is noted in the file `path`, a line each."""
    noted = set()

    def read(config, name):
        keys = READ_BY.get(name, (name,) if name in FIELDS else ())
        caller = sys._getframe(1).f_code.co_filename
        if caller.startswith(PROGRAMS) and not caller.startswith(CONFIG):
            for key in set(keys) - noted:
                with path.open("a") as file:
                    file.write(f"{key}\n")
            noted.update(keys)
        return object.__getattribute__(config, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkConfig, "__getattribute__", read)
        yield
