"""The two forms of the hot modules: compiled and plain."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import pybus
from pybus import plain
from pybus.client.calls import Calls

ROOT = Path(__file__).parent.parent
HOT = sorted(path.relative_to(ROOT) for path in (ROOT / "pybus").rglob("*.pxd"))
LOADED = (
    "import sys, importlib; sys.path[:0] = [sys.argv[1]]\n"
    "for name in sys.argv[2:]: print(importlib.import_module(name).__file__.endswith('.py'))"
)


def loaded_plain(environment: dict[str, str]) -> set[str]:
    """What a new interpreter says of each hot module: whether it runs as plain Python."""
    names = [".".join(path.with_suffix("").parts) for path in HOT]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(ROOT), *names], capture_output=True, text=True, env=os.environ | environment
    )
    assert done.stderr == ""
    return set(done.stdout.split())


def test_the_variable_forces_the_plain_form_of_all() -> None:
    assert loaded_plain({plain.PURE: "1"}) == {"True"}


def test_all_are_compiled_or_none() -> None:
    assert loaded_plain({plain.PURE: ""}) in ({"True"}, {"False"})


def test_a_program_can_ask_which_form_runs() -> None:
    asked = "import pybus; print(pybus.is_compiled())"
    pure = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, cwd=ROOT, env=os.environ | {plain.PURE: "1"}
    )
    assert (pure.stdout, pure.stderr) == ("False\n", "")
    assert pybus.is_compiled() is (plain.form() == "compiled")


def test_each_hot_module_has_its_source_beside_it() -> None:
    assert HOT != []
    assert [path for path in HOT if not (ROOT / path).with_suffix(".py").exists()] == []


def test_what_objects_are_given_has_a_place_in_their_compiled_form() -> None:
    places = declared()
    given = {
        (made.name, node.attr)
        for path in HOT
        for made in ast.parse((ROOT / path).with_suffix(".py").read_text()).body
        if isinstance(made, ast.ClassDef) and made.name in places
        for node in ast.walk(made)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    assert ("Channel", "held") in given
    assert [(name, attribute) for name, attribute in sorted(given) if attribute not in places[name]] == []


def test_none_in_the_place_of_an_object_is_an_error_in_both_forms() -> None:
    nothing: Any = None
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'serial'"):
        Calls().abandon(nothing)


def declared() -> dict[str, set[str]]:
    """The attributes that compiled objects can have, by the names of their classes."""
    found: dict[str, set[str]] = {}
    bases: dict[str, str] = {}
    for path in HOT:
        for part in re.split(r"^cdef class ", (ROOT / path).read_text(), flags=re.MULTILINE)[1:]:
            name, base = re.findall(r"^(\w+)(?:\((\w+)\))?:", part)[0]
            lists = re.findall(r"^    cdef ([^()#\n]+)(?:#.*)?$", part, flags=re.MULTILINE)
            found[name] = {one.split()[-1] for names in lists for one in names.split(",")}
            bases[name] = base
    return {name: places | found.get(bases[name], set()) for name, places in found.items()}


def test_nothing_compiled_is_left_where_it_is_built_plain(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "not-compiled.txt")
    shutil.copytree(ROOT / "pybus", tmp_path / "pybus", ignore=ignored)
    once_hot = Path("pybus", "broker", "broker.py")
    left = [(tmp_path / path).with_suffix(sysconfig.get_config_var("EXT_SUFFIX")) for path in (*HOT, once_hot)]
    for path in left:
        path.touch()
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        check=True,
        cwd=tmp_path,
        env=os.environ | {plain.PURE: "1"},
    )
    assert [path for path in left if path.exists()] == []
    asked = "from pybus import plain; print(plain.form())"
    told = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, cwd=tmp_path, env=os.environ | {plain.PURE: ""}
    )
    assert (told.stdout, told.stderr) == ("plain Python, as PYBUS_PURE was set when it was built\n", "")
