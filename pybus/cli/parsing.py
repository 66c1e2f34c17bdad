"""Command lines: one parser a command, with what all commands have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from pybus.cli.command import EXIT_CODES, WRONG_USE, complain, open_missing_streams, run_command
from pybus.client.calls import MAX_TIMEOUT
from pybus.errors import BodyError


class Command(NamedTuple):
    """One command. program: how a person calls it. more_codes: exit codes that only it has."""

    program: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    action: Callable[[argparse.Namespace], int]
    more_codes: str = ""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and what was probably meant."""

    def error(self, message: str) -> NoReturn:
        _, divider, words = message.partition("unrecognized arguments: ")
        if divider:
            unknown = words.split()[0]
            from pybus.nearness import did_you_mean  # who writes it right does not wait for its import

            meant = did_you_mean(unknown, self._option_string_actions)
            message = (
                f"there is no {unknown}" + meant if unknown.startswith("-") else f"{unknown!r} is one word too many"
            )
        sys.exit(
            complain(self.prog, f"{message}{'' if message.endswith('?') else f'; see {self.prog} --help'}", WRONG_USE)
        )


def seconds(text: str) -> float:
    """A time span on the command line."""
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number of seconds, not {text!r}") from None
    if not 0 < number <= MAX_TIMEOUT:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most {MAX_TIMEOUT} seconds")
    return number


def count(text: str) -> int:
    """How many, on the command line."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from None
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def value(text: str) -> object:
    """A value on the command line: JSON if it can be read as that, else text. Raises `BodyError`."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text
    except RecursionError:
        raise BodyError("an argument is nested too deeply") from None


def pair(text: str) -> tuple[str, object]:
    """A name and its value on the command line, such as `x-max-length=5`."""
    name, equals, rest = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    try:
        return name, value(rest)
    except BodyError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser of the command's words: what --help, the man page and the completions are made from."""
    parser = Parser(
        prog=command.program,
        description=command.description,
        epilog=EXIT_CODES + command.more_codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show a traceback if it fails")
    return parser


def run(command: Command, words: list[str]) -> int:
    """Parse the words after the command and run it; returns the exit code. Ends the process on wrong use.

    Options may stand anywhere between the arguments.
    """
    open_missing_streams()  # argparse writes, too
    options = parser_of(command).parse_intermixed_args(words)
    return run_command(command.program, lambda: command.action(options), debug=options.debug)
