"""`pybus COMMAND ...`: all commands under one name."""

from __future__ import annotations

import argparse
import sys

from pybus import __version__
from pybus.cli import listen, send
from pybus.cli.command import ALREADY_RUNNING, EXIT_CODES, run_command

_FORMAT = argparse.RawDescriptionHelpFormatter


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    return run_command(f"pybus {options.command}", lambda: _run(options), debug=options.debug)


def _run(options: argparse.Namespace) -> int:
    """Run the chosen command; its module is imported only now."""
    command = options.command
    if command == "send":
        return send.send(options)
    if command == "listen":
        return listen.listen(options)
    if command == "call":
        from pybus.cli.call import call

        return call(options)
    if command in ("daemon", "run"):
        from pybus.cli import daemon

        return daemon.daemon(options) if command == "daemon" else daemon.run(options)
    from pybus.cli import show

    shows = {"list": show.list_peers, "topics": show.list_topics, "get": show.get}
    shows |= {"introspect": show.introspect, "stats": show.stats}
    return shows[command](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pybus", description="A message bus for the desktop.", epilog=EXIT_CODES, formatter_class=_FORMAT
    )
    parser.add_argument("--version", action="version", version=f"pybus {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def add(name: str, text: str, epilog: str = EXIT_CODES) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=_FORMAT)

    send.add_arguments(add("send", send.DESCRIPTION))
    listen.add_arguments(add("listen", listen.DESCRIPTION))
    _add_call(add("call", "Call a method of a service and print its answer."))
    plain = [
        add("list", "Show who is on the bus: peers, their names, pids and programs."),
        add("stats", "Show the bus in numbers."),
    ]
    get = add("get", "Print the retained value of a topic; exit code 3 if there is none.")
    get.add_argument("topic", metavar="TOPIC")
    topics = add("topics", "Show the retained values, how old they are and who published them.")
    topics.add_argument("pattern", metavar="PATTERN", nargs="?", default="#")
    introspect = add("introspect", "Show a service's methods; org.pybus.Bus is the bus itself.")
    introspect.add_argument("name", metavar="NAME")
    for one in (get, introspect):
        one.add_argument("--json", action="store_true", help="print JSON")
    codes = EXIT_CODES + f"\n  {ALREADY_RUNNING}   a bus runs there already"
    daemon = add("daemon", "Run the bus in the foreground, until SIGTERM or Ctrl-C.", codes)
    daemon.add_argument("--allow-root", action="store_true", help="admit root beside you")
    run = add("run", "Run the bus and the hardware service here, and print what arrives, until Ctrl-C.")
    for one in (*plain, get, topics, introspect, daemon, run):
        one.add_argument("--debug", action="store_true", help="show a traceback if it fails")
    return parser


def _add_call(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="such as org.example.Player, or :17")
    parser.add_argument("method", metavar="METHOD")
    parser.add_argument("arguments", metavar="ARG", nargs="*", help="text, JSON, or KEY=VALUE for a named argument")
    parser.add_argument("--timeout", metavar="S", type=float, help="seconds to wait for the answer (default 25)")
    parser.add_argument("--no-reply", action="store_true", help="do not wait for an answer")
    parser.add_argument("--debug", action="store_true", help="show a traceback if it fails")
