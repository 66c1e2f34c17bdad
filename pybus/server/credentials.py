"""Who is at the other end of a socket, from the kernel and /proc."""

import os
import socket
import struct
from collections.abc import Iterator

from pybus.broker.peer import Credentials

_UCRED = struct.Struct("3i")


def socket_owner(sock: socket.socket) -> tuple[int, int]:
    """The (pid, uid) of the process that connected or listened (SO_PEERCRED, unix(7))."""
    pid, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid


def look_up(pid: int, uid: int) -> Credentials:
    """The credentials of a process; what can't be read any more is "" or, for the program, `pid N`."""
    try:
        executable = os.readlink(b"/proc/%d/exe" % pid).decode(errors="replace")
    except OSError:
        executable = ""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read(4096).decode(errors="replace").split("\0")
    except OSError:
        arguments = []
    return Credentials(uid, pid, program_name(arguments, executable) or f"pid {pid}", executable)


def with_own_name(credentials: Credentials, name: str) -> Credentials:
    """The credentials with the name that a program gave itself before the one that the kernel knows."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:64])
    return credentials._replace(program=f"{shown} [{credentials.program}]") if shown else credentials


def program_name(arguments: list[str], executable: str) -> str:
    """A short name for people: of the script or module where an interpreter runs one.

    Our own commands are told apart: `pybus monitor`.
    """
    name = os.path.basename(executable or (arguments[0] if arguments else ""))
    if not name.startswith("python"):
        return name
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == "-m":
            return _with_command(next(rest, name), rest)
        if argument in ("-W", "-X"):
            next(rest, None)
        elif argument == "-c" or not argument:
            return name
        elif not argument.startswith("-"):
            return _with_command(os.path.basename(argument), rest)
    return name


def _with_command(name: str, rest: Iterator[str]) -> str:
    """The name, and if it is ours the command that follows it."""
    command = next(rest, "") if name == "pybus" else ""
    return f"{name} {command}" if command.isalpha() else name
