"""The rules of the house: imports point down, and each outside library has one door."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "protocol": {"protocol"},
    "broker": {"protocol", "broker"},
    "store": {"store"},
    "server": {"protocol", "broker", "store", "server"},
    "client": {"protocol", "client"},
    "cli": {"protocol", "client", "server", "cli"},
}
"""Which packages each one may import; the plain modules beside them are open to all."""

NO_IO = {"socket", "_socket", "select", "selectors", "asyncio", "threading", "time", "os", "sqlite3", "subprocess"}
"""What floors 1 and 2 must not know."""


_FIRST = """\
import argparse, asyncio, importlib, inspect, json, msgpack, os, sqlite3, sys, tempfile, tomllib  # once for all
for name in sys.argv[1:]:
    if not os.fork():
        importlib.import_module(name)
        os._exit(0)
    if os.wait()[1]:
        print(name)
"""


@cache
def imports(path: Path) -> tuple[str, ...]:
    """The absolute names of all modules that a file imports."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            found += (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    return tuple(found)


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, f"there is no source in {folder}"
    return found


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_imports_point_down(package: str) -> None:
    packages = {path.name for path in (ROOT / "pybus").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert packages == set(ALLOWED)
    wrong = [
        (path.name, name)
        for path in sources(f"pybus/{package}")
        for name in imports(path)
        if name.startswith("pybus.") and name.split(".")[1] in packages - ALLOWED[package]
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", ["pybus/protocol", "pybus/broker"])
def test_the_lower_floors_know_no_sockets_clocks_or_files(folder: str) -> None:
    wrong = [(path.name, name) for path in sources(folder) for name in imports(path) if name.split(".")[0] in NO_IO]
    assert wrong == []


def test_plain_modules_import_no_package() -> None:
    plain = [path for path in (ROOT / "pybus").glob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    packages = tuple(f"pybus.{package}." for package in ALLOWED)
    assert [(path.name, name) for path in plain for name in imports(path) if name.startswith(packages)] == []


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("pyudev", ["services/hal/udev.py"]),
        ("dbus_next", ["services/dbus/writing.py"]),
        ("slixmpp", ["services/presence/xmpp.py"]),
        ("pyroute2", ["services/hal/link.py"]),
        ("evdev", ["services/hal/lid.py"]),
    ],
)
def test_each_outside_library_is_imported_in_one_place(library: str, doors: list[str]) -> None:
    files = [*sources("pybus"), *sources("services")]
    importing = [path for path in files if any(name.split(".")[0] == library for name in imports(path))]
    assert [str(path.relative_to(ROOT)) for path in importing] == doors


def test_each_module_can_be_the_first_that_a_program_imports() -> None:
    """Which the tests' own processes, having imported others, would not notice."""
    modules = [path.relative_to(ROOT).with_suffix("") for path in sources("pybus") if path.stem != "__main__"]
    names = [".".join(path.parts).removesuffix(".__init__") for path in modules]
    done = subprocess.run([sys.executable, "-c", _FIRST, *names], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_services_use_the_public_api_only() -> None:
    inside = [(path.name, name) for path in sources("services") for name in imports(path) if name.startswith("pybus.")]
    assert inside == []


def test_files_fit_in_their_rooms() -> None:
    long = [str(path) for path in [*sources("pybus"), *sources("services")] if path.read_text().count("\n") > 420]
    assert long == []


def test_a_small_command_starts_without_the_heavy_modules() -> None:
    heavy = {"asyncio", "typing", "re", "enum", "argparse", "inspect", "logging", "socket", "json", "contextlib"}
    heavy |= {"msgpack", "collections"}
    script = "import sys; import pybus.cli.send; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, env=_environment())
    assert done.stderr == ""
    assert heavy & set(done.stdout.split()) == set()


def test_the_public_names_are_all_there() -> None:
    import pybus

    assert [name for name in pybus.__all__ if not hasattr(pybus, name)] == []
    assert set(pybus.__all__) <= set(dir(pybus))


def _environment() -> dict[str, str]:
    """Where Python finds pybus and msgpack without the site module, which imports what it likes."""
    import msgpack

    return {"PYTHONPATH": f"{ROOT}:{Path(msgpack.__file__).parent.parent}"}
