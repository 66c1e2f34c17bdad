"""The man pages, made from the same parsers as `--help`, in the language of man(7)."""

from __future__ import annotations

import textwrap

from pybus import __version__
from pybus.cli.grammar import Grammar, Option, Value

_WIDTH = 78

_ESCAPES = {"\\": "\\(rs", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"}
"""What roff would take for something else, or draw as typographers like it."""

_OVERVIEW = """\
pybus is a message bus for the desktop: one small daemon per user, on a Unix socket, through which
programs publish signals, call each other's methods by name, and hear what the hardware does.

A topic is words joined by dots, such as hal.power.ac. In a pattern * is exactly one word and # is
any number of words, anywhere. The bus keeps the last value of a retained topic, and hands it to
whoever subscribes later.

A message in a queue waits until a consumer has taken it and said that it is done. Publishers send
to exchanges, and bindings say which queues a message gets into, as in AMQP 0-9-1. Signals go through
the exchange amq.topic.

On a terminal the output is aligned and coloured (not with NO_COLOR); in a pipe it is one record a
line, its columns separated by tabs."""

_ENVIRONMENT = (
    ("PYBUS_ADDRESS", "Where the bus is, as unix:/absolute/path. Without it: $XDG_RUNTIME_DIR/pybus/bus."),
    ("XDG_RUNTIME_DIR", "Where the bus is if PYBUS_ADDRESS is not set; /run/user/UID if neither is."),
    ("NO_COLOR", "If set and not empty, nothing is coloured."),
)

_FILES = (
    ("$XDG_RUNTIME_DIR/pybus/bus", "The bus's socket."),
    ("$XDG_CONFIG_HOME/pybus/pybus.toml", "The configuration; see pybus config."),
    ("$XDG_DATA_HOME/pybus/services/NAME.toml", "A service that the bus starts when it is needed; see pybus service."),
)


def page_name(command: str) -> str:
    """The name of a command's page: `pybus-call` for `call`."""
    return f"pybus-{command}"


def command_page(command: str, grammar: Grammar, date: str) -> str:
    """The page of one command. date: of the page, as 2026-11-23."""
    programs = [grammar.program]
    if command in ("send", "listen"):
        programs.append(page_name(command))
    lines = [*_head(page_name(command), date, grammar.summary), ".SH SYNOPSIS"]
    for number, program in enumerate(programs):
        arguments = grammar.usage.removeprefix(grammar.program).strip()
        lines += [".br"] * bool(number) + [f".B {escape(program)}", *_text(arguments)]
    before, _, codes = grammar.epilog.partition("exit codes:\n")
    lines += [".SH DESCRIPTION", *_text(f"{grammar.description}\n\n{before}")]
    if grammar.positionals:
        lines.append(".SH ARGUMENTS")
        for value in grammar.positionals:
            lines += _entry(_label(value), value.help)
    lines.append(".SH OPTIONS")
    for option in grammar.options:
        lines += _entry(_option(option), option.help)
    lines += [*_exit_status(codes), *_entries("ENVIRONMENT", _ENVIRONMENT), *_see_also(["pybus"])]
    return _page(lines)


def overview_page(grammars: dict[str, Grammar], date: str) -> str:
    """The page pybus(1). grammars: of all commands, by name."""
    lines = _head("pybus", date, "a message bus for the desktop")
    lines += [".SH SYNOPSIS", ".B pybus", ".I COMMAND", "\\&.\\|.\\|."]
    lines += [".SH DESCRIPTION", *_text(_OVERVIEW), ".SH COMMANDS"]
    for command, grammar in grammars.items():
        lines += _entry(f"\\fB{escape(f'pybus {command}')}\\fR", grammar.summary)
    lines += [*_entries("ENVIRONMENT", _ENVIRONMENT), *_entries("FILES", _FILES)]
    lines += _see_also(sorted(map(page_name, grammars)))
    return _page(lines)


def escape(text: str) -> str:
    """The text so that roff shows it as it is, within a line."""
    return "".join(_ESCAPES.get(one) or (one if one.isascii() else f"\\[u{ord(one):04X}]") for one in text)


def _head(name: str, date: str, summary: str) -> list[str]:
    title = f'.TH {escape(name.upper())} 1 "{date}" "pybus {__version__}" "pybus"'
    short = summary.partition(". ")[0].rstrip(".")
    return [title, ".nh", ".SH NAME", *_text(f"{name} - {short}")]


def _option(option: Option) -> str:
    values = "".join(f" {_label(value)}" for value in option.values)
    return ", ".join(f"\\fB{escape(name)}\\fR" for name in option.names) + values


def _label(value: Value) -> str:
    label = f"\\fI{escape(value.label)}\\fR" + ("\\ .\\|.\\|." if value.repeats else "")
    return f"[{label}]" if value.optional else label


def _entry(tag: str, text: str) -> list[str]:
    """A tagged paragraph. tag: roff; text: plain."""
    return [".TP", tag, *(_text(text) or ["\\&"])]


def _entries(title: str, entries: tuple[tuple[str, str], ...]) -> list[str]:
    lines = [f".SH {title}"]
    for name, text in entries:
        lines += _entry(f"\\fB{escape(name)}\\fR", text)
    return lines


def _exit_status(codes: str) -> list[str]:
    """The exit codes, as lines of a number and its meaning; other lines go on with the meaning."""
    lines = [".SH EXIT STATUS"]
    for row in codes.splitlines():
        code, _, meaning = row.strip().partition(" ")
        lines += _entry(f"\\fB{code}\\fR", meaning.strip()) if code.isdigit() else _text(row)
    return lines


def _see_also(pages: list[str]) -> list[str]:
    lines = [f".BR {escape(page)} (1)," for page in pages]
    return [".SH SEE ALSO", *lines[:-1], lines[-1].removesuffix(",")]


def _text(text: str) -> list[str]:
    """Plain text as lines of roff. A paragraph with indented lines keeps its layout, others are filled."""
    lines: list[str] = []
    for paragraph in filter(str.strip, text.split("\n\n")):
        if lines:
            lines.append(".PP")
        if "\n " in f"\n{paragraph}":
            lines += [".nf", *(_line(escape(line)) for line in paragraph.strip("\n").split("\n")), ".fi"]
        else:
            wrapped = textwrap.wrap(escape(paragraph), _WIDTH, break_long_words=False, break_on_hyphens=False)
            lines += map(_line, wrapped)
    return lines


def _line(escaped: str) -> str:
    """A line of text that is no request: those begin with a dot (or a quote, which is escaped)."""
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _page(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
