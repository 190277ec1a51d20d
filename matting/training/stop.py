"""Stopping a training by a signal, without losing what it learned."""
import os
import signal

from matting.errors import Stopped

STDERR = 2


class StopSignal:
    """Within this context SIGINT and SIGTERM are noted instead of obeyed; a second SIGINT interrupts at once."""

    number = 0

    def __enter__(self):
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.number = self.number or number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(STDERR, b"\nfinishing this step, then saving; Ctrl-C again stops at once\n")  # logging may be mid-line

    def check(self):
        """Raise Stopped once a signal has come."""
        if self.number:
            raise Stopped(self.number)
