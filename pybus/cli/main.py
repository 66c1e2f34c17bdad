"""`pybus COMMAND ...`: all commands under one name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pybus import __version__
from pybus.cli import listen, send
from pybus.cli.command import ALREADY_RUNNING, EXIT_CODES, WRONG_USE, complain, open_missing_streams
from pybus.cli.parsing import Command, run
from pybus.plain import form


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    open_missing_streams()
    words = sys.argv[1:] if arguments is None else arguments
    first = words[0] if words else "--nothing"
    if first in ("-h", "--help", "help"):
        print(_help())
        return 0
    if first == "--version":
        print(f"pybus {__version__} ({form()})")
        return 0
    command = COMMANDS.get(first) or _HIDDEN.get(first)
    if command is None:
        return complain("pybus", _advice(words), WRONG_USE)
    return run(command, words[1:])


def _advice(words: list[str]) -> str:
    """What to say where no command was recognised."""
    from pybus.nearness import did_you_mean  # who writes it right does not wait for its import

    problem = f"no command {words[0]!r}" if words else "which command?"
    meant = did_you_mean(words[0], COMMANDS) if words else ""
    return problem + (meant or f"; there are: {', '.join(COMMANDS)}; more by: pybus --help")


def _help() -> str:
    lines = ["usage: pybus COMMAND ...", "", "A message bus for the desktop.", "", "commands:"]
    lines += [f"  {name:<11} {command.description.splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join([*lines, "", "pybus COMMAND --help tells more; pybus --version is there, too.", "", EXIT_CODES])


# --- the commands; the module of each is imported only when it is asked for -------------------------


def _command(name: str, module: str, description: str, more_codes: str = "") -> Command:
    """The command whose action and arguments are `NAME_command` and `NAME_arguments` in a module of this package."""

    def find(function: str) -> Callable[..., Any]:
        found: Callable[..., Any] = getattr(import_module(f"pybus.cli.{module}"), function)
        return found

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        find(f"{name}_arguments")(parser)

    def action(options: argparse.Namespace) -> int:
        code: int = find(f"{name}_command")(options)
        return code

    return Command(f"pybus {name}", description, add_arguments, action, more_codes)


_GET = "If there is none, a service that declares the topic is started, and asked once it is there."
_RUNNING = f"\n  {ALREADY_RUNNING}   a bus runs there already"

_ALL = (
    Command("pybus send", send.DESCRIPTION, send.add_arguments, send.send),
    Command("pybus listen", listen.DESCRIPTION, listen.add_arguments, listen.listen),
    _command("call", "call", "Call a method of a service and print its answer."),
    _command("list", "show", "Show who is on the bus: peers, their names, pids and programs, and services."),
    _command("introspect", "show", "Show a service's methods."),
    _command("get", "show", "Print the retained value of a topic; exit code 3 if there is none.\n\n" + _GET),
    _command("topics", "show", "Show the retained values, how old they are and who published them."),
    _command("queue", "queue", "Look at queues, declare and bind them, and take care of their messages."),
    _command("exchange", "exchange", "Look at exchanges, declare them, and bind them to each other."),
    _command("stats", "stats", "Show the bus in numbers."),
    _command("top", "top", "Watch who sends how much, live, with the worst offender on top."),
    _command("monitor", "monitor", "Show everything that passes: signals, calls with their answers, errors, drops."),
    _command("explain", "explain", "Tell who would get a signal, a call or a message, and why, without sending it."),
    _command("record", "record", "Write what passes to a file, to be replayed."),
    _command("replay", "record", "Publish again what `pybus record` wrote."),
    _command("wait", "wait", "Wait until somebody owns a name."),
    _command("ping", "wait", "Ask a service whether it answers, and measure how long that takes."),
    _command("service", "service", "Start, stop and inspect the services that the bus starts when needed."),
    _command("config", "config", "Check the configuration, or show what is in force and why."),
    _command("setup", "setup", "Install systemd units, completions and man pages, or remove them."),
    _command("daemon", "daemon", "Run the bus, until SIGTERM or Ctrl-C.", _RUNNING),
    _command("run", "daemon", "Run the bus and the hardware service here, and print what arrives, until Ctrl-C."),
)
COMMANDS = {command.program.removeprefix("pybus "): command for command in _ALL}

_HIDDEN = {"complete": _command("complete", "completion", "Print what can be completed; for the shells.")}
