"""The completions of bash, zsh and fish, made from the commands' grammars.

Commands, options and choices are in the scripts; live names and topics come from `pybus complete`.
What it prints may hold any printable character, as anybody can publish to any topic: the scripts
never evaluate it, and quote it before it is part of a command line.

A *slot* is a place where a value may stand: a list of tokens, each a kind of `pybus complete`,
`files`, `programs`, or a plus and a word that may stand there.
"""

from __future__ import annotations

import shlex

from pybus.cli.grammar import ANYTHING, FILES, PROGRAMS, Grammar, Option, Value
from pybus.cli.shell_templates import BASH, FISH, ZSH

_SUMMARY_LENGTH = 80

Grammars = dict[str, Grammar]
"""The grammar of each command, by the word that follows `pybus`."""


def _tokens(value: Value) -> list[str]:
    words = [f"+{choice}" for choice in value.choices]
    return words if value.kind == ANYTHING else [*words, value.kind]


def _slots(grammar: Grammar) -> list[list[str]]:
    """A slot for each positional argument."""
    return [_tokens(value) for value in grammar.positionals]


def _repeats(grammar: Grammar) -> bool:
    """Whether the last positional argument may come again."""
    return bool(grammar.positionals) and grammar.positionals[-1].repeats


def _option_names(grammar: Grammar) -> list[str]:
    return [name for option in grammar.options for name in option.names]


def _summary(text: str) -> str:
    """A help text as a short description on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SUMMARY_LENGTH else f"{line[: _SUMMARY_LENGTH - 1]}…"


# --- bash -----------------------------------------------------------------------------------------


def bash_script(program: list[str], grammars: Grammars) -> str:
    """The completion of all commands for bash. program: the words that run `pybus`."""
    return _fill(BASH, PROGRAM=shlex.join(program), COMMANDS=shlex.join(grammars), GRAMMAR=_bash_grammar(grammars))


def _bash_grammar(grammars: Grammars) -> str:
    lines = []
    for command, grammar in grammars.items():
        lines.append(f"        {shlex.quote(command)})")
        lines.append(f"            options=({shlex.join(_option_names(grammar))})")
        lines.append(f"            slots=({shlex.join(' '.join(slot) for slot in _slots(grammar))})")
        if _repeats(grammar):
            lines.append("            repeats=yes")
        taking = [option for option in grammar.options if option.values]
        if taking:
            lines.append("            case $2 in")
            for option in taking:
                values = shlex.join(" ".join(_tokens(value)) for value in option.values)
                lines.append(f"                {'|'.join(option.names)}) values=({values}) ;;")
            lines.append("            esac")
        lines.append("            ;;")
    return "\n".join(lines)


# --- zsh ------------------------------------------------------------------------------------------


def zsh_script(program: list[str], grammars: Grammars) -> str:
    """The completion of all commands for zsh."""
    commands = "\n".join(
        "        " + shlex.quote(f"{command}:{_summary(grammar.summary)}") for command, grammar in grammars.items()
    )
    arms = []
    for command, grammar in grammars.items():
        specs = [spec for option in grammar.options for spec in _zsh_option(option)] + _zsh_positionals(grammar)
        arms.append(f"        {shlex.quote(command)})\n            _arguments -S \\")
        arms += [f"                {shlex.quote(spec)} \\" for spec in specs[:-1]]
        arms.append(f"                {shlex.quote(specs[-1])} && return\n            ;;")
    return _fill(ZSH, PROGRAM=shlex.join(program), COMMANDS=commands, GRAMMAR="\n".join(arms))


def _zsh_option(option: Option) -> list[str]:
    """One spec a name, as `--file[the help]: :FILE: _pybus_slot files`."""
    values = "".join(_zsh_value(value.label, _tokens(value)) for value in option.values)
    text = _zsh_escape(_summary(option.help))
    excluded = f"({' '.join(option.names)})" if "--help" not in option.names else "(- *)"
    return [f"{excluded}{name}[{text}]{values}" for name in option.names]


def _zsh_positionals(grammar: Grammar) -> list[str]:
    specs = []
    for number, (value, slot) in enumerate(zip(grammar.positionals, _slots(grammar), strict=True), 1):
        start = "*" if value.repeats else f"{number}:" if value.optional else str(number)
        specs.append(start + _zsh_value(value.label, slot))
    return specs


def _zsh_value(label: str, slot: list[str]) -> str:
    return f":{_zsh_escape(label)}: {' '.join(['_pybus_slot', *map(shlex.quote, slot)])}"


def _zsh_escape(text: str) -> str:
    return "".join(f"\\{one}" if one in "[]:\\" else one for one in text)


# --- fish -----------------------------------------------------------------------------------------


def fish_script(program: list[str], command_line: str, grammars: Grammars) -> str:
    """The completion for fish of one program: `pybus` with all commands, or `pybus-send`, or `pybus-listen`."""
    completed = f"complete -c {command_line}"
    lines = [f"{completed} -f"]
    if command_line == "pybus":
        for command, grammar in grammars.items():
            what = f"-a {_fish_quote(command)} -d {_fish_quote(_summary(grammar.summary))}"
            lines.append(f"{completed} -n '__pybus_at \"\" 1' {what}")
    else:
        only = command_line.removeprefix("pybus-")
        grammars = {only: grammars[only]}
    for command, grammar in grammars.items():
        lines += [f"{completed} {rest}" for rest in _fish_command(command, grammar)]
    asking = " ".join(map(_fish_quote, program))
    return _fill(FISH, PROGRAM=asking, COMPLETIONS="\n".join(lines))


def _fish_command(command: str, grammar: Grammar) -> list[str]:
    """The ends of the `complete` lines for one command."""
    # An option that takes two values is named twice, so that the function can count them.
    taking = " ".join(name for option in grammar.options for name in option.names for _ in option.values)
    lines = []
    for option in grammar.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        what = f"{names} -d {_fish_quote(_summary(option.help))}"
        first = [f"-r {sources}" for sources in _fish_sources(_tokens(option.values[0]))] if option.values else [""]
        condition = _fish_quote(f"__pybus_at {command}")
        lines += [f"-n {condition} {what} {rest}".rstrip() for rest in first or ["-x"]]
        for number, value in enumerate(option.values[1:], 2):
            condition = _fish_quote(f"__pybus_at {command} {option.names[0]}.{number} {taking}")
            lines += [f"-n {condition} {sources}" for sources in _fish_sources(_tokens(value))]
    slots = _slots(grammar)
    for number, slot in enumerate(slots, 1):
        more = "+" if number == len(slots) and _repeats(grammar) else ""
        condition = _fish_quote(f"__pybus_at {command} {number}{more} {taking}".rstrip())
        lines += [f"-n {condition} {sources}" for sources in _fish_sources(slot)]
    return lines


def _fish_sources(slot: list[str]) -> list[str]:
    """What to offer in the slot, as options of `complete`."""
    sources = []
    words = [token[1:] for token in slot if token.startswith("+")]
    if words:
        sources.append(f"-a {_fish_quote(' '.join(words))}")
    for token in slot:
        if token == FILES:
            sources.append("-F")
        elif token == PROGRAMS:
            sources.append("-a '(__fish_complete_command)'")
        elif not token.startswith("+"):
            sources.append(f"-a '(__pybus_ask {token})'")
    return sources


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fill(template: str, **values: str) -> str:
    """The template with each @NAME@ replaced."""
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template
