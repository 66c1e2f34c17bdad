"""A shell at a terminal, to press keys in: bash, zsh or fish, with the completions of pybus.

The command `pybus` of such a shell prints the arguments that it got, so a test sees what a person's
Tab and Enter would have run. What the completions ask goes to the real one.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from pybus.cli.grammar import grammar_of
from pybus.cli.main import COMMANDS
from pybus.cli.shells import bash_script, fish_script, zsh_script
from tests.cli.programs import BIN
from tests.daemon import PATIENCE

SHELLS = ("bash", "zsh", "fish")
_PROMPT = "ready> "
_PROGRAMS = ("pybus", "pybus-send", "pybus-listen")
_TERMINAL = {"TERM": "dumb", "LC_ALL": "C.UTF-8"}
_ECHO = """#!/bin/sh
printf '@@'
for one in "$@"; do printf '<%s>' "$one"; done
printf '@@\\n'
"""


def write_completions(folder: Path, program: str = str(BIN / "pybus")) -> None:
    """Write the scripts of all three shells, under the names by which the shells would look for them."""
    grammars = {name: grammar_of(command) for name, command in COMMANDS.items()}
    (folder / "pybus.bash").write_text(bash_script([program], grammars))
    (folder / "_pybus").write_text(zsh_script([program], grammars))
    for name in _PROGRAMS:
        (folder / f"{name}.fish").write_text(fish_script([program], name, grammars))


class Terminal:
    """An interactive shell on a terminal of its own, in the folder."""

    def __init__(self, shell: str, folder: Path, environ: Mapping[str, str]) -> None:
        write_completions(folder)
        (folder / "bin").mkdir()
        for name in _PROGRAMS:
            (folder / "bin" / name).write_text(_ECHO)
            (folder / "bin" / name).chmod(0o755)
        (folder / "work").mkdir()
        command, settings = _prepare(shell, folder)
        home = {"HOME": str(folder), "ZDOTDIR": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        path = f"{folder}/bin:{os.environ['PATH']}"
        whole = {**environ, **home, "XDG_DATA_HOME": str(folder / "data"), "PATH": path, **_TERMINAL, **settings}
        self._text = ""
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder / "work")
            os.execvpe(command[0], command, whole)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 400, 0, 0))
        self._wait_for(re.escape(_PROMPT))

    def arguments(self, keys: str) -> list[str]:
        """The arguments that the command gets when somebody types this (Tab is \\t) and presses Enter."""
        os.write(self._terminal, f"{keys}\r".encode())
        found = self._wait_for(r"@@(.*?)@@(?s:.*?)" + re.escape(_PROMPT))
        return re.findall("<(.*?)>(?=<|$)", found[1])

    def _wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self._text)):
            left = deadline - time.monotonic()
            assert left > 0, f"there is no {pattern!r} in {self._text!r}"
            if select.select([self._terminal], [], [], left)[0]:
                self._text += os.read(self._terminal, 65536).decode(errors="replace")
        self._text = self._text[found.end() :]
        return found

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


def _prepare(shell: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The command that starts the shell with its completions loaded, and its variables."""
    here = shlex.quote(str(folder))
    if shell == "bash":
        (folder / "bashrc").write_text(f"PS1='{_PROMPT}'\nbind 'set enable-bracketed-paste off'\n. {here}/pybus.bash\n")
        return ["bash", "--noprofile", "--rcfile", str(folder / "bashrc"), "-i"], {}
    if shell == "zsh":
        lines = [f"PS1='{_PROMPT}'", "unsetopt prompt_sp prompt_cr", f"fpath=({here} $fpath)"]
        (folder / ".zshrc").write_text("\n".join([*lines, "autoload -Uz compinit", "compinit -u -D", ""]))
        return ["zsh", "--no-globalrcs", "-i"], {}
    (folder / "config" / "fish").mkdir(parents=True)
    lines = ["function fish_prompt; echo -n 'ready> '; end", "set -g fish_greeting", f". {here}/pybus.fish"]
    lines += [f". {here}/{name}.fish" for name in _PROGRAMS[1:]]
    (folder / "config" / "fish" / "config.fish").write_text("\n".join([*lines, ""]))
    return ["fish", "-i"], {"fish_autosuggestion_enabled": "0"}
