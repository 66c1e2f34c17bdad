"""The man pages: no reader of roff complains, and they say what --help says."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pybus.cli.command import OK
from pybus.cli.grammar import grammar_of
from pybus.cli.main import COMMANDS
from pybus.cli.manual import command_page, overview_page
from pybus.cli.parsing import Command
from tests.daemon import PATIENCE

DATE = "2026-11-23"

READERS = {
    "man": ["man", "--warnings", "--encoding=UTF-8", "--local-file"],
    "groff": ["groff", "-man", "-ww", "-z"],
    "mandoc": ["mandoc", "-T", "lint", "-W", "warning"],
}
"""Programs that read a page and complain about what is wrong in it."""


def odd_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("thing", metavar="THING", help=".dots first, and C:\\new\\table")
    parser.add_argument("--a-b", metavar="X", nargs=2, help="'quoted' \"twice\" `so` ^here~ € 100 %% ü…")
    parser.add_argument("--nothing", action="store_true")
    parser.add_argument("--secret", help=argparse.SUPPRESS)


ODD = Command("pybus odd", "Do .odd things - or not.", odd_arguments, lambda _: OK, "\n  75   it was odd already")


def page(command: str) -> str:
    return command_page(command, grammar_of(COMMANDS[command]), DATE)


def shown(text: str, tmp_path: Path) -> str:
    """The page as a person reads it, with each run of blanks as one."""
    if shutil.which("man") is None:
        pytest.skip("there is no man")
    path = tmp_path / "page.1"
    path.write_text(text)
    environ = {**os.environ, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"}
    command = ["man", "--encoding=UTF-8", "--no-hyphenation", "--local-file", str(path)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return " ".join(re.sub("\x1b\\[[0-9]*m|.\b", "", done.stdout).split())


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["pybus", "odd", *COMMANDS])
def test_no_reader_complains(name: str, reader: str, tmp_path: Path) -> None:
    if shutil.which(reader) is None:
        pytest.skip(f"there is no {reader}")
    if name == "pybus":
        text = overview_page({one: grammar_of(command) for one, command in COMMANDS.items()}, DATE)
    else:
        text = command_page("odd", grammar_of(ODD), DATE) if name == "odd" else page(name)
    path = tmp_path / f"{name}.1"
    path.write_text(f'.\\" a comment\n{text}')
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "PAGER": "cat"}
    done = subprocess.run(
        [*READERS[reader], str(path)], env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stderr == ""
    if reader == "mandoc":
        assert done.stdout == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_what_the_help_has(name: str, tmp_path: Path) -> None:
    text = shown(page(name), tmp_path)
    grammar = grammar_of(COMMANDS[name])
    for part in (grammar.usage, grammar.description, *(value.help for value in grammar.positionals)):
        assert " ".join(part.split()) in text
    for option in grammar.options:
        values = "".join(f" [{value.label}]" if value.optional else f" {value.label}" for value in option.values)
        assert f"{', '.join(option.names)}{values} {' '.join(option.help.split())}" in text
    assert "EXIT STATUS 0 done 1 the bus or a service answered with an error 2 " in text


def test_the_overview_names_all_commands_and_their_pages(tmp_path: Path) -> None:
    grammars = {one: grammar_of(command) for one, command in COMMANDS.items()}
    text = shown(overview_page(grammars, DATE), tmp_path)
    for name, grammar in grammars.items():
        assert f"pybus {name} {grammar.summary}" in text
    assert text.endswith(", ".join(f"pybus-{name}(1)" for name in sorted(grammars)) + f" pybus 0.1.0 {DATE} PYBUS(1)")


def test_send_and_listen_are_there_under_both_their_names(tmp_path: Path) -> None:
    text = shown(page("send"), tmp_path)
    assert "SYNOPSIS pybus send [-h] " in text
    assert " pybus-send [-h] " in text


def test_what_roff_has_a_meaning_for_is_shown_as_it_is(tmp_path: Path) -> None:
    text = shown(command_page("odd", grammar_of(ODD), DATE), tmp_path)
    assert (
        "NAME pybus-odd - Do .odd things - or not"
        " SYNOPSIS pybus odd [-h] [--a-b X X] [--nothing] [--debug] THING"
        " DESCRIPTION Do .odd things - or not."
        " ARGUMENTS THING .dots first, and C:\\new\\table"
        " OPTIONS -h, --help show this help message and exit"
        " --a-b X X 'quoted' \"twice\" `so` ^here~ € 100 % ü…"
        " --nothing"
        " --debug show a traceback if it fails"
        " EXIT STATUS 0 done" in text
    )
    assert " 75 it was odd already ENVIRONMENT " in text
