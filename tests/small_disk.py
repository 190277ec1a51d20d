"""A disk of its own for a test, small enough to be filled."""
import subprocess
from contextlib import contextmanager


@contextmanager
def small_disk(folder, size):
    """Mount a file system of that size, as mount writes sizes, at a folder -> whether that worked: it needs root."""
    mounted = not subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
                                 capture_output=True).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
