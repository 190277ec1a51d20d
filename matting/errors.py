"""The one way a program of this project ends badly: a clear line, a non-zero status, nothing lost."""
import errno
import functools
import logging
import signal
import sys

OS_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EACCES: "permission denied; choose a folder you may write to, or change its permissions",
    errno.EEXIST: "is not a folder; choose another",
    errno.ENOTDIR: "is not in a folder; choose another",
    errno.EROFS: "the file system is read-only; choose another folder",
}


class UserError(Exception):
    """Something the user can mend; the message names the file or flag and says what to do."""


class UsageError(UserError):
    """Arguments that are missing or too many; shown below the program's usage, which ends with a line break."""

    def __init__(self, message, usage):
        super().__init__(message)
        self.usage = usage


class Stopped(Exception):
    """A signal asked for an end, and what was done is saved."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


def entry_point(main):
    """Wrap `main(argv=None)`: UserError and OSError become one line on stderr and exit status 1, UsageError that line
    below the usage and 2; Ctrl-C becomes 130, Stopped 128 + its signal, as in a shell.
    """

    @functools.wraps(main)
    def wrapped(argv=None):
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
        status = 1
        try:
            return main(argv)
        except UsageError as error:
            print(error.usage, end="", file=sys.stderr)
            message, status = str(error), 2
        except UserError as error:
            message = str(error)
        except OSError as error:
            message = f"{error.filename or 'file system'}: {OS_ADVICE.get(error.errno, error.strerror or error)}"
        except KeyboardInterrupt:
            print("interrupted; what was finished is kept", file=sys.stderr)
            raise SystemExit(130) from None
        except Stopped as stopped:
            raise SystemExit(128 + stopped.number) from None
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(status)

    return wrapped


def listed(names, most=5):
    """The first of many names, for a message."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
