"""What every command does alike: errors as one line, exit codes, a quiet end.

No command shows a traceback to a person; `--debug` does.
"""

from __future__ import annotations

import os
import sys

from pybus.errors import (
    AccessRefused,
    AddressError,
    BodyError,
    CallError,
    DeadlinePassed,
    InvalidName,
    NameHasNoOwner,
    NotAllowed,
    NotConnected,
    NotFound,
    PreconditionFailed,
    PybusError,
    ReceiverFull,
    ResourceLocked,
    ServiceDied,
    StartFailed,
    Unroutable,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OK = 0
REFUSED = 1
WRONG_USE = 2
NOBODY = 3
NO_BUS = 4
ALREADY_RUNNING = 75
INTERRUPTED = 130
CLOSED_PIPE = 141

NO_ANSWER = (NameHasNoOwner, DeadlinePassed, ServiceDied, ReceiverFull, StartFailed)
"""Errors that the bus answers with in a service's place. Any other came from the service, so it lives."""

_AMQP_REFUSALS = (NotFound, AccessRefused, ResourceLocked, PreconditionFailed, NotAllowed)
"""Errors whose message has AMQP's own name for them at its beginning."""

EXIT_CODES = """\
exit codes:
  0    done
  1    the bus or a service answered with an error
  2    the command line, a name or a value is malformed
  3    nobody got the message, no such value, or the time was over first
  4    there is no bus, or it went away
  130  interrupted"""


def run_command(program: str, action: Callable[[], int], *, debug: bool = False) -> int:
    """Run a command's action and return the exit code; an error becomes one line on stderr."""
    open_missing_streams()
    _write_whatever_comes()
    try:
        code = action()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except Exception as error:
        if debug:
            raise
        return complain(program, explain(error), _code(error))


def complain(program: str, text: str, code: int) -> int:
    """Write one line on stderr and return the exit code. The text may hold what other programs said."""
    if not text.isprintable():
        from pybus.cli.text import safe

        text = safe(text)
    print(f"{program}: {text}", file=sys.stderr)
    return code


def explain(error: Exception) -> str:
    """An error as one sentence."""
    if isinstance(error, _AMQP_REFUSALS) and error.message:
        return error.message
    if isinstance(error, CallError):
        return f"{error.message or error.name} ({error.name.removeprefix('org.pybus.Error.')})"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    if isinstance(error, PybusError):
        return str(error)
    return f"this is a bug in pybus: {type(error).__name__}: {error}; --debug shows where"


def _code(error: Exception) -> int:
    if isinstance(error, (NotConnected, AddressError)):
        return NO_BUS
    if isinstance(error, Unroutable):
        return NOBODY
    if isinstance(error, (InvalidName, BodyError, UsageError)) or (isinstance(error, OSError) and error.filename):
        return WRONG_USE
    return REFUSED


def open_missing_streams() -> None:
    """Give a command that was started with a closed stream (`>&-`) an empty one in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for as long as the process lives


def _write_whatever_comes() -> None:
    """Escape what the terminal's encoding does not have, where Python would raise an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a stream that a program put there may have none
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
