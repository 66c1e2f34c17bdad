"""`pybus config`: the configuration and the service files, checked or shown, without a daemon."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterable, Iterator

from pybus.checks import size_text
from pybus.cli.command import OK, REFUSED
from pybus.cli.text import is_terminal, paint, safe, to_json
from pybus.errors import UsageError
from pybus.limits import Limits
from pybus.server.config import DEFAULT, Config, config_path, is_size, load_config
from pybus.server.service_files import load_services, service_folders
from pybus.tables import ConfigError, place_of


def config_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be written after `pybus config`."""
    parser.add_argument("file", metavar="FILE", nargs="?", help="read this file in place of the usual one")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="check the configuration and all service files; each mistake is a line on stderr, and the exit code is 1",
    )
    what.add_argument(
        "--show",
        action="store_true",
        help="show as TOML what a bus takes from it that starts or reloads now, and where each value is from (default)",
    )
    parser.add_argument("--json", action="store_true", help="show it as JSON")


def config_command(options: argparse.Namespace) -> int:
    """`pybus config`: check or show."""
    if options.check and options.json:
        raise UsageError("--json is for --show; --check writes a line for each mistake")
    path = os.path.abspath(options.file) if options.file is not None else None
    return _check(path) if options.check else _show(path, as_json=options.json)


# --- check --------------------------------------------------------------------------------------------


def _check(path: str | None) -> int:
    problems: list[str] = []
    folders: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    try:
        config = load_config(path=path)
    except ConfigError as error:
        problems += error.problems
    else:
        folders, disabled = config.folders, config.disabled
        place = config.origins["services.folders"]
        missing = [folder for folder in folders if not os.path.exists(folder)]
        problems += [f"{place}: services.folders: there is no folder {folder}" for folder in missing]
    services, wrong = load_services(service_folders(folders))
    problems += wrong
    for service in services.values():
        if service.name not in disabled and shutil.which(service.exec[0]) is None:
            place = place_of(service.base or service.file, "exec")
            problems.append(f"{place}: exec: {_no_program(service.exec[0])}")
    if problems:
        return _complain(problems)
    used = path if path is not None else config_path()
    print(safe(f"ok: {used}{'' if os.path.exists(used) else ' (not there)'}, {_count(len(services))}"))
    return OK


def _count(files: int) -> str:
    return "1 service file" if files == 1 else f"{files} service files"


def _no_program(word: str) -> str:
    if "/" not in word:
        return f"there is no command {word} in $PATH"
    return f"{word} can't be executed" if os.path.exists(word) else f"there is no program {word}"


def _complain(problems: Iterable[str]) -> int:
    for problem in problems:
        print(safe(problem), file=sys.stderr)
    return REFUSED


# --- show ---------------------------------------------------------------------------------------------


def _show(path: str | None, *, as_json: bool) -> int:
    """Show what would be in force; that is the defaults if the file has mistakes, which are told."""
    code = OK
    try:
        config = load_config(path=path)
    except ConfigError as error:
        code = _complain(error.problems)
        config = _defaults()
    if as_json:
        print(to_json(_as_json(config), indent=2))
        return code
    used = path if path is not None else config_path()
    note = "" if os.path.exists(used) else " (not there)"
    print(_comment(used + (note if code == OK else " (not used, as it has mistakes)")))
    lines = list(_settings(config))
    width = max(len(setting) for setting, _ in lines) if is_terminal(sys.stdout) else 0
    table = ""
    for (setting, origin), key in zip(lines, config.origins, strict=True):
        if key.split(".")[0] != table:
            table = key.split(".")[0]
            print(f"\n{paint(f'[{table}]', 'title')}")
        print(f"{setting:<{width}}  {_comment(origin)}")
    print(_comment("service files are looked for in:"))
    for folder in service_folders(config.folders):
        print(_comment(f"  {folder}"))
    return code


def _defaults() -> Config:
    """What is in force without a file."""
    config = Config(Limits(), "info", (), (), {})
    return config._replace(origins={key: DEFAULT for key, _ in _values(config)})


def _comment(text: str) -> str:
    return paint(f"# {safe(text)}", "dim")


def _values(config: Config) -> Iterator[tuple[str, object]]:
    """Each key, with its table, and its value."""
    for field, value in config.limits._asdict().items():
        yield f"limits.{field}", value
    yield "log.level", config.log_level
    yield "services.folders", list(config.folders)
    yield "services.disabled", list(config.disabled)


def _as_json(config: Config) -> dict[str, dict[str, object]]:
    tables: dict[str, dict[str, object]] = {}
    for key, value in _values(config):
        table, _, name = key.partition(".")
        tables.setdefault(table, {})[name] = {"value": value, "origin": config.origins[key]}
    return tables


def _settings(config: Config) -> Iterator[tuple[str, str]]:
    """Each line of TOML, without its comment, and the comment."""
    for key, value in _values(config):
        name = key.partition(".")[2]
        with_unit = size_text(value) if is_size(name) and isinstance(value, int) else None
        yield f"{name} = {_toml(value if with_unit is None else with_unit)}", config.origins[key]


def _toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return _toml_text(value) if isinstance(value, str) else repr(value)


def _toml_text(text: str) -> str:
    """Text in quotes; what can't be printed is escaped."""
    shown = []
    for one in text:
        if one in '"\\':
            shown.append(f"\\{one}")
        elif one.isprintable():
            shown.append(one)
        else:
            shown.append(f"\\u{ord(one):04x}" if ord(one) < 0x10000 else f"\\U{ord(one):08x}")
    return f'"{"".join(shown)}"'
