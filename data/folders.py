"""New folders that are whole or absent, and links in them to a user's files."""
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(out):
    """Yield an empty folder beside `out`, whose name it takes on success; on any error it disappears."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield unfinished
        unfinished.chmod(0o755)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def link(folder, path):
    """-> a link in the folder to the file, of its name."""
    (folder / path.name).symlink_to(path.resolve())
    return folder / path.name
