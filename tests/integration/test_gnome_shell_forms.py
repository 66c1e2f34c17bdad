"""The two forms of examples/gnome-shell: that of GNOME Shell 43 and 44, and the ES module that 45 and later load."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.daemon import PATIENCE

from .hal_scene import needs
from .panel_scene import EXAMPLE, UUID

pytestmark = needs("gjs")

_SHELL = """\
#!/bin/sh
echo "GNOME Shell {version}"
"""

_IMPORTED = r"^import (?:\* as )?\{?(.*?)\}? from |^const \{?(.*?)\}? = imports\.|^class (\w+) \{\}$"


def installed(folder: Path, version: str) -> Path:
    """The folder that `install` makes where the shell is of this version."""
    shell = folder / "gnome-shell"
    shell.write_text(_SHELL.format(version=version))
    shell.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "XDG_DATA_HOME": str(folder / "data")}
    subprocess.run([str(EXAMPLE / "install")], env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder / "data/gnome-shell/extensions" / UUID


def run(*words: str) -> str:
    """What gjs complains of when it runs a file."""
    return subprocess.run(["gjs", *words], capture_output=True, text=True, timeout=PATIENCE).stderr


@pytest.mark.parametrize(
    ("version", "versions"),
    [
        ("43.9", ["43", "44"]),
        ("44.alpha", ["43", "44"]),
        ("45.0", ["45", "46", "47", "48"]),
        ("48.beta", ["45", "46", "47", "48"]),
    ],
)
def test_the_form_is_that_of_the_shell(tmp_path: Path, version: str, versions: list[str]) -> None:
    folder = installed(tmp_path, version)
    assert sorted(path.name for path in folder.iterdir()) == ["extension.js", "metadata.json"]
    metadata = json.loads((folder / "metadata.json").read_text())
    assert (metadata["uuid"], metadata["shell-version"]) == (UUID, versions)


def test_the_second_form_is_a_module_that_lacks_nothing_but_the_shell(tmp_path: Path) -> None:
    errors = run("-m", str(installed(tmp_path, "45.0") / "extension.js"))
    assert "Unable to load file from: resource:///org/gnome/shell/extensions/extension.js" in errors
    assert "SyntaxError" not in errors


def test_both_forms_give_the_code_the_same_names() -> None:
    def names(form: str) -> set[str]:
        found = re.findall(_IMPORTED, (EXAMPLE / form / "imports.js").read_text(), re.MULTILINE)
        return {name.strip() for groups in found for group in groups for name in group.split(",") if name}

    assert names("shell-43") == names("shell-45")
    assert names("shell-43") == {"Clutter", "Extension", "Gio", "GLib", "Main", "PanelMenu", "PopupMenu", "St"}
