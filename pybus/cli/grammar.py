"""What can be written after a command, read off its argparse parser.

The man pages and the completions are made from this, so they say what `--help` says.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from pybus.cli.parsing import Command, parser_of

FILES = "files"
PROGRAMS = "programs"
ANYTHING = ""

_KINDS = {
    "NAME": "names",
    "METHOD": "methods",
    "ACTION": "actions",
    "TOPIC": "topics",
    "PATTERN": "patterns",
    "QUEUE": "queues",
    "EXCHANGE": "exchanges",
    "SOURCE": "exchanges",
    "FILE": FILES,
    "CMD": PROGRAMS,
}
"""What a metavar stands for: a kind of `pybus complete`, or what the shell itself knows."""


class Value(NamedTuple):
    """One value on the command line.

    label: as --help has it. kind: a kind of `pybus complete`, FILES, PROGRAMS or ANYTHING. choices: words
    that may stand there as well. optional: it may be left out. repeats: more may follow. help: what it is.
    """

    label: str
    kind: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    repeats: bool = False
    help: str = ""


class Option(NamedTuple):
    """An option: its names, the values that must follow it, and its help."""

    names: tuple[str, ...]
    values: tuple[Value, ...]
    help: str


class Grammar(NamedTuple):
    """A command: how it is called, what it does (in one line, and in full), and what can be written after it.

    usage: on one line, without `usage:`. epilog: the exit codes, and what else stands at the end of its help.
    """

    program: str
    summary: str
    description: str
    usage: str
    positionals: tuple[Value, ...]
    options: tuple[Option, ...]
    epilog: str


def grammar_of(command: Command) -> Grammar:
    """The grammar of a command. Imports the command's module."""
    parser = parser_of(command)
    positionals: list[Value] = []
    options: list[Option] = []
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        if action.option_strings:
            options.append(Option(tuple(action.option_strings), _values(command, action), _help(parser, action)))
        else:
            positionals += _values(command, action, _help(parser, action))
    return Grammar(
        command.program,
        command.description.partition("\n")[0],
        parser.description or command.description,
        _usage(parser),
        tuple(positionals),
        tuple(options),
        parser.epilog or "",
    )


def _values(command: Command, action: argparse.Action, text: str = "") -> tuple[Value, ...]:
    """What the action takes; nothing for a mere switch."""
    if action.nargs == 0:
        return ()
    number = action.nargs if isinstance(action.nargs, int) else 1
    choices = tuple(str(choice) for choice in action.choices) if action.choices is not None else ()
    label = action.metavar or (f"{{{','.join(choices)}}}" if choices else action.dest.upper())
    labels = label if isinstance(label, tuple) else (label,) * number
    optional = action.nargs in ("?", "*")
    repeats = action.nargs in ("*", "+")
    kinds = [ANYTHING if choices else _KINDS.get(label, ANYTHING) for label in labels[:number]]
    if command.program == "pybus service" and action.dest == "name":
        from pybus.cli.service import ACTIONS

        kinds, choices = ["services"], ACTIONS  # in whichever order they are
    return tuple(
        Value(label, kind, choices, optional, repeats, text) for label, kind in zip(labels, kinds, strict=False)
    )


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return parser._get_formatter()._expand_help(action) if action.help else ""


def _usage(parser: argparse.ArgumentParser) -> str:
    """The usage on one line."""
    formatter = argparse.HelpFormatter(parser.prog, width=10_000)
    formatter.add_usage(parser.usage, parser._actions, parser._mutually_exclusive_groups, prefix="")
    return formatter.format_help().strip()
