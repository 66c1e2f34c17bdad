"""Commands that do one of several things, such as `pybus queue declare`: which words and options each one takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from pybus.cli.command import REFUSED, WRONG_USE, complain
from pybus.errors import NotFound


class Action(NamedTuple):
    """One thing that a command does.

    run: does it, and returns the exit code. summary: what it does, for --help. words: the arguments that it needs,
    by their names in the options; more: those that may follow them. options: those that not every action takes.
    """

    run: Callable[[argparse.Namespace], int]
    summary: str
    words: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


Actions = dict[str, Action]


def add_action(parser: argparse.ArgumentParser, actions: Actions) -> None:
    """Add the word that says what to do, with what there is in the help; the first one is done if it is left out."""
    default = next(iter(actions))
    words = ", ".join(actions)

    def known(word: str) -> str:
        if word in actions:
            return word
        from pybus.nearness import did_you_mean  # who writes it right does not wait for its import

        raise argparse.ArgumentTypeError(f"no action {word!r}{did_you_mean(word, actions) or f'; there are: {words}'}")

    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        type=known,
        choices=[*actions],
        default=default,
        help=f"{words} (default {default})",
    )
    usages = {name: _usage(name, action) for name, action in actions.items()}
    width = max(map(len, usages.values()))
    lines = [f"  {usages[name]:<{width}}  {action.summary}" for name, action in actions.items()]
    parser.epilog = "\n".join(["actions:", *lines, "", parser.epilog or ""])


def act(program: str, actions: Actions, options: argparse.Namespace) -> int:
    """Do what the words say, if they and the options fit together; returns the exit code."""
    name = options.action
    action = actions[name]
    usage = f"{program} {_usage(name, action)}"
    takes = (*action.words, *action.more)
    for word in dict.fromkeys(word for one in actions.values() for word in (*one.words, *one.more)):
        value = getattr(options, word)
        if value is None and word in action.words:
            return complain(program, f"{name} needs {word.upper()}: {usage}", WRONG_USE)
        if value is not None and word not in takes:
            return complain(program, f"{name} takes no {value!r}: {usage}", WRONG_USE)
    for option in dict.fromkeys(option for one in actions.values() for option in one.options):
        if getattr(options, option) not in (None, False) and option not in action.options:
            return complain(program, f"{name} takes no --{option.replace('_', '-')}", WRONG_USE)
    try:
        return action.run(options)
    except NotFound as error:
        from pybus.cli.misnamed import not_there

        return complain(program, not_there(error), REFUSED)


def _usage(name: str, action: Action) -> str:
    return " ".join([name, *map(str.upper, action.words), *(f"[{word.upper()}]" for word in action.more)])
