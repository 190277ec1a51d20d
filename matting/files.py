"""Files that are there whole or not at all."""
import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; on success it takes the final name, on any error it disappears."""
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_kind(path):
    """A file's suffix; .pth.tar is one."""
    path = Path(path)
    return ".pth.tar" if path.name.endswith(".pth.tar") else path.suffix
