"""The one way a program of this project ends badly: a clear line, a non-zero status, nothing lost."""
import errno
import functools
import logging
import signal
import sys
from contextlib import contextmanager

from matting.memory import shortage

OS_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EACCES: "permission denied; choose a folder you may write to, or change its permissions",
    errno.EEXIST: "is not a folder; choose another",
    errno.ENOTDIR: "is not in a folder; choose another",
    errno.ENOMEM: "not enough memory; end other programs, or lower --num_workers",
    errno.EROFS: "the file system is read-only; choose another folder",
}
MEMORY_ADVICE = "end other programs, or lower --img_size, --input_size or --batch_size"


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
    """Wrap `main(argv=None)`: UserError, OSError and running out of memory become one line on stderr and exit status 1,
    UsageError that line below the usage and 2; Ctrl-C becomes 130, Stopped 128 + its signal, as in a shell.
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
        except KeyboardInterrupt:
            print("interrupted; what was finished is kept", file=sys.stderr)
            raise SystemExit(130) from None
        except Stopped as stopped:
            raise SystemExit(128 + stopped.number) from None
        except Exception as error:
            message = message_of(error)
            if message is None:
                raise
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(status)

    return wrapped


def message_of(error):
    """What a user is told of an exception: UserError, OSError, a lack of memory; None of any other, a fault of ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'file system'}: {OS_ADVICE.get(error.errno, error.strerror or error)}"
    return f"{shortage(error)}; {MEMORY_ADVICE}" if shortage(error) else None


@contextmanager
def short_of_memory(what, advice):
    """Raise UserError, naming what was done and what to do, where memory runs out in the block."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not shortage(error):
            raise
        raise UserError(f"{what}: {shortage(error)}; {advice}") from None


def unreadable(path, kind, error):
    """The UserError for a file that could not be read as `kind`, or not for want of memory."""
    if shortage(error):
        return UserError(f"{path}: {shortage(error)}; end other programs")
    return UserError(f"{path}: is not {kind} ({(str(error).splitlines() or [type(error).__name__])[0]})")


def listed(names, most=5):
    """The first of many names, for a message."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
