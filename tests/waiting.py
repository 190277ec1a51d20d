"""Waiting for what another process does, though not for ever."""
import time


def wait_until(condition, seconds, never):
    """Until condition() is true; where it is not within so many seconds the test fails, saying `never`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, never
        time.sleep(0.01)


def wait_for(path, text, seconds=10):
    """Until a file is there and holds a text."""
    wait_until(lambda: path.exists() and text in path.read_text(), seconds, f"{path} never held {text!r}")
