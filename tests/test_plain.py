"""The two forms of the hot modules: compiled and plain."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pybus
from pybus import plain

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
