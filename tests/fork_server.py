"""A Python that has imported pybus, and forks for each command that a test starts: see `tests.forking`.

Run as a script; its first argument is the number of a socket. A request on it is JSON (command, environment, folder)
with four descriptors: a socket for reports, and the standard streams. Reported are the pid, with a pidfd, and the exit
code once it has ended.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time
import types
from typing import NamedTuple

import pybus

_LARGEST = 1 << 20
_NOT_NOW = (".__main__", ".top_screen")  # one runs when it is imported, one's library is as large as all else


class Request(NamedTuple):
    """What is to be run, and with which standard streams."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    streams: list[int]


def main() -> None:
    """Serve until the other end of the socket is closed. In a forked process: run the command, and end with it."""
    sys.path.pop(0)  # the folder of this script
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    for module in pkgutil.walk_packages(pybus.__path__, "pybus."):
        if not module.name.endswith(_NOT_NOW):
            importlib.import_module(module.name)
    gc.freeze()  # what is there now is garbage never, and looking at it would copy it
    request = _serve(socket.socket(fileno=int(sys.argv[1])))
    if request is None:
        return
    _become(request)
    planned: list[int] = []
    atexit.register(_leave, planned)
    try:
        _run(request.command)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            planned.append(end.code or 0)
        raise
    planned.append(0)


def _leave(planned: list[int]) -> None:
    """The last step that is the program's own: leave with the planned exit code, if nothing went wrong.

    What Python does afterwards, taking each module apart, would take three times as long as all before.
    """
    with contextlib.suppress(OSError, ValueError):  # which Python will come upon again, and tell
        sys.stdout.flush()
        sys.stderr.flush()
        for code in planned:
            os._exit(code & 0xFF)


def _serve(control: socket.socket) -> Request | None:
    """Fork for each request. Returns in each forked process its request; None in the server, at the end."""
    running: dict[int, tuple[int, socket.socket]] = {}  # by the pidfd
    ready = select.poll()
    ready.register(control, select.POLLIN)
    while True:
        for descriptor, _ in ready.poll():
            if descriptor in running:
                ready.unregister(descriptor)
                pid, report = running.pop(descriptor)
                _, status = os.waitpid(pid, 0)
                os.close(descriptor)
                with report, contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
                    report.send(b"%d" % os.waitstatus_to_exitcode(status))
                continue
            data, descriptors, _, _ = socket.recv_fds(control, _LARGEST, 4)
            if not data:
                return None
            report = socket.socket(fileno=descriptors[0])
            command, environment, folder = json.loads(data)
            request = Request(command, environment, folder, descriptors[1:])
            pid = os.fork()
            if not pid:
                for end in (control, report, *(others for _, others in running.values())):
                    end.close()
                for pidfd in running:
                    os.close(pidfd)
                return request
            for number in request.streams:
                os.close(number)
            pidfd = os.pidfd_open(pid)
            with contextlib.suppress(BrokenPipeError):
                socket.send_fds(report, [b"%d" % pid], [pidfd])
            running[pidfd] = pid, report
            ready.register(pidfd, select.POLLIN)


def _become(request: Request) -> None:
    """Be as a Python that was just started."""
    os.chdir(request.folder)
    for number, descriptor in enumerate(request.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for number, (name, mode) in enumerate((("stdin", "rb"), ("stdout", "wb"), ("stderr", "wb"))):
        old = getattr(sys, name)
        direct = old.write_through  # with PYTHONUNBUFFERED
        lines = not direct and (name == "stderr" or os.isatty(number))
        binary = os.fdopen(number, mode, 0 if direct else -1, closefd=False)
        stream = io.TextIOWrapper(binary, old.encoding, old.errors, line_buffering=lines, write_through=direct)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _show(request.command)


def _show(command: list[str]) -> None:
    """Let /proc/PID/cmdline tell this command, as far as there is room (proc(5): arg_start and arg_end)."""
    with open("/proc/self/stat") as file:
        start, end = map(int, file.read().rpartition(")")[2].split()[45:47])
    text = b"".join(os.fsencode(word) + b"\0" for word in command)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        memory.write(text[: end - start].ljust(end - start, b"\0"))


def _run(command: list[str]) -> None:
    """Run what Python would with these arguments: -c PROGRAM, -m MODULE or a script."""
    first, *rest = command[1:]
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        module = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), module.__dict__)
    elif first == "-m":
        sys.argv = [first, *rest[1:]]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [first, *rest]
        sys.path.insert(0, os.path.dirname(first))
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    main()
