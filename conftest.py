"""What every test, of tests and of parity, relies on."""
import os
import signal
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# The files of over 15 s, the longest first.
LONG = ("tests/test_documents.py", "parity/test_networks.py", "parity/test_dim_steps.py", "parity/test_programs.py",
        "tests/test_scale.py", "tests/test_dim_training.py", "parity/test_published.py", "tests/test_learners.py",
        "tests/test_web_page.py", "parity/test_training.py", "tests/test_programs.py", "parity/test_gradients.py",
        "parity/test_dim.py", "tests/test_program_keys.py", "tests/test_memory.py", "parity/test_report.py",
        "parity/test_data.py", "parity/test_layers.py", "parity/test_precision.py", "tests/test_mixed_precision.py")

# a shell's background job ignores Ctrl-C, and so would every program that its tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # beside others, which keep the other cores busy: threads only wait for these
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Long files first: none is left for the end, when only one worker has something to do."""
    places = {ROOT / file: place for place, file in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(LONG)))
