"""Emacs in batch, as alice uses it: she opens, edits and saves buffers, and looks at what Flymake shows there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pytest

BACKEND = Path(__file__).parents[2] / "examples" / "flymake" / "pybus-flymake.el"

needs_emacs = pytest.mark.skipif(shutil.which("emacs") is None, reason="there is no emacs (Debian: emacs-nox)")

Shown = tuple[int, int, str, str]
"""A diagnostic: its line from 1, its column from 0, its type, its text."""

_ALICE = """
(require 'json)
(defun alice-open (file)
  (with-current-buffer (find-file-noselect file)
    (pybus-flymake-setup)
    (flymake-start)))
(defun alice-edit (file from to)
  (with-current-buffer (find-buffer-visiting file)
    (goto-char (point-min))
    (search-forward from)
    (replace-match to t t)
    (flymake-start)))
(defun alice-save (file)
  (with-current-buffer (find-buffer-visiting file)
    (let ((inhibit-message t)) (save-buffer))
    (flymake-start)))
(defun alice-shown (file)
  (with-current-buffer (find-buffer-visiting file)
    (while (seq-difference (flymake-running-backends) (flymake-reporting-backends))
      (accept-process-output nil 1))
    (mapcar (lambda (found)
              (goto-char (flymake-diagnostic-beg found))
              (vector (line-number-at-pos) (current-column)
                    (flymake-diagnostic-type found) (flymake-diagnostic-text found)))
            (flymake-diagnostics))))
(let (line)
  (while (setq line (ignore-errors (read-string "")))
    (princ (concat (json-encode (eval (read line))) "\\n"))))
"""


def with_python(environment: Mapping[str, str]) -> dict[str, str]:
    """So that the examples' `python3` is the one that has pybus."""
    return {**environment, "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}"}


class Emacs:
    """A running Emacs with the backend loaded. `with` ends it."""

    def __init__(self, environment: Mapping[str, str], *setting: str) -> None:
        """setting: forms that are evaluated first."""
        words = ["emacs", "-Q", "--batch", "--load", str(BACKEND)]
        for form in (*setting, f"(progn {_ALICE})"):
            words += ["--eval", form]
        self._process = subprocess.Popen(
            words, env=with_python(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def open(self, file: Path) -> None:
        """Visit a file; its checks start."""
        self._do("open", file)

    def edit(self, file: Path, old: str, new: str) -> None:
        """Replace a text, and leave the buffer unsaved; checks start."""
        self._do("edit", file, old, new)

    def save(self, file: Path) -> None:
        """Save the buffer; checks start."""
        self._do("save", file)

    def shown(self, file: Path) -> list[Shown]:
        """What is shown once no check of this buffer runs, from its top."""
        found = self._do("shown", file) or []
        assert isinstance(found, list)
        return sorted((line, column, kind.lstrip(":"), text) for line, column, kind, text in found)

    def _do(self, what: str, *words: object) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        form = " ".join([f"(alice-{what}", *(json.dumps(str(word)) for word in words)])
        self._process.stdin.write(f"{form})\n")
        self._process.stdin.flush()
        answer: object = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Emacs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
