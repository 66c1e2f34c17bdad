"""`pybus COMMAND ...`: all commands under one name."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

from pybus import __version__
from pybus.cli import listen, send
from pybus.cli.command import ALREADY_RUNNING, EXIT_CODES, WRONG_USE, complain, open_missing_streams
from pybus.cli.parsing import Command, run, seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    open_missing_streams()
    words = sys.argv[1:] if arguments is None else arguments
    first = words[0] if words else "--nothing"
    if first in ("-h", "--help", "help"):
        print(_help())
        return 0
    if first == "--version":
        print(f"pybus {__version__}")
        return 0
    command = COMMANDS.get(first)
    if command is None:
        problem = f"no command {first!r}" if words else "which command?"
        return complain("pybus", f"{problem}; there are: {', '.join(COMMANDS)}; more by: pybus --help", WRONG_USE)
    return run(command, words[1:])


def _help() -> str:
    lines = ["usage: pybus COMMAND ...", "", "A message bus for the desktop.", "", "commands:"]
    lines += [f"  {name:<11} {command.description.splitlines()[0]}" for name, command in COMMANDS.items()]
    return "\n".join([*lines, "", "pybus COMMAND --help tells more; pybus --version is there, too.", "", EXIT_CODES])


# --- what each command takes; what it does is imported only when it runs ----------------------------


def _no_arguments(_parser: argparse.ArgumentParser) -> None:
    pass


def _call_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player, or :17")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="text, JSON, or KEY=VALUE for a named argument")
    parser.add_argument("--timeout", metavar="S", type=seconds, help="seconds to wait for the answer (default 25)")
    parser.add_argument("--no-reply", action="store_true", help="do not wait for an answer")


def _topics_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="#")


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _introspect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player; org.pybus.Bus is the bus itself")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _daemon_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--allow-root", action="store_true", help="admit root beside you")


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """The action of that name, whose module is imported when it is called."""

    def action(options: argparse.Namespace) -> int:
        code: int = getattr(import_module(module), function)(options)
        return code

    return action


_RUNNING = f"\n  {ALREADY_RUNNING}   a bus runs there already"
_LIST = "Show who is on the bus: peers, their names, pids and programs."
_GET = "Print the retained value of a topic; exit code 3 if there is none."
_TOPICS = "Show the retained values, how old they are and who published them."
_RUN = "Run the bus and the hardware service here, and print what arrives, until Ctrl-C."

COMMANDS = {
    "send": Command("pybus send", send.DESCRIPTION, send.add_arguments, send.send),
    "listen": Command("pybus listen", listen.DESCRIPTION, listen.add_arguments, listen.listen),
    "call": Command(
        "pybus call",
        "Call a method of a service and print its answer.",
        _call_arguments,
        _later("pybus.cli.call", "call"),
    ),
    "list": Command("pybus list", _LIST, _no_arguments, _later("pybus.cli.show", "list_peers")),
    "introspect": Command(
        "pybus introspect", "Show a service's methods.", _introspect_arguments, _later("pybus.cli.show", "introspect")
    ),
    "get": Command("pybus get", _GET, _get_arguments, _later("pybus.cli.show", "get")),
    "topics": Command("pybus topics", _TOPICS, _topics_arguments, _later("pybus.cli.show", "list_topics")),
    "stats": Command("pybus stats", "Show the bus in numbers.", _no_arguments, _later("pybus.cli.show", "stats")),
    "daemon": Command(
        "pybus daemon",
        "Run the bus, until SIGTERM or Ctrl-C.",
        _daemon_arguments,
        _later("pybus.cli.daemon", "daemon"),
        _RUNNING,
    ),
    "run": Command("pybus run", _RUN, _no_arguments, _later("pybus.cli.daemon", "run")),
}
