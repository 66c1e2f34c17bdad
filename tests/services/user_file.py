"""A user's file in the tests of what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar


class _Settings(Protocol):
    @property
    def problems(self) -> tuple[str, ...]: ...

    def _replace(self, **fields: Any) -> Any: ...


S = TypeVar("S", bound=_Settings)


def settings_of(load: Callable[[Mapping[str, str]], S], file: Path, text: str) -> S:
    """What `load` makes of the file with this text; in the problems, the file's path is left out.

    file: in `.config/pybus` of a home.
    """
    file.write_text(text)
    found = load({"HOME": str(file.parents[2])})
    assert [line for line in found.problems if not line.startswith(f"{file}:")] == []
    replaced: S = found._replace(problems=tuple(line.removeprefix(f"{file}:") for line in found.problems))
    return replaced
