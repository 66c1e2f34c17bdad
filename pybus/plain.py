"""Which of two forms of the hot modules runs: compiled, or the plain Python that it was compiled from.

A module with a `.pxd` file beside it is hot. Cython compiles it when pybus is built where a C compiler is;
the `.pxd` only adds C types, so that there is one source for both forms. Without a compiler, and with
PYBUS_PURE=1 in the environment, the plain form runs.

In the hot modules this module stands for Cython's own: `cython.compiled` is false in plain Python, and
true, without any look-up, in compiled code.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

compiled = False
PURE = "PYBUS_PURE"
"""The variable that forces the plain form, when pybus is built and when it runs."""

_REASON = "not-compiled.txt"


def is_compiled() -> bool:
    """Whether the hot modules of this program run compiled."""
    from importlib.util import find_spec

    found = find_spec("pybus.protocol.frames")
    return found is not None and not str(found.origin).endswith(".py")


def form() -> str:
    """For people: "compiled", or "plain Python" and why."""
    if is_compiled():
        return "compiled"
    if os.environ.get(PURE):
        return f"plain Python, as {PURE} is set"
    try:
        with open(os.path.join(os.path.dirname(__file__), _REASON), encoding="utf-8") as file:
            return f"plain Python, as {file.read().strip()}"
    except OSError:
        return "plain Python, as it was not compiled when it was built"


class PlainFinder:
    """Finds pybus's modules as plain Python, whether or not they are compiled too."""

    @staticmethod
    def find_spec(name: str, path: "Sequence[str] | None" = None, target: object = None) -> "ModuleSpec | None":
        """As importlib's protocol of finders has it."""
        if path is None or not name.startswith("pybus."):
            return None
        from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader

        found = (FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(name) for folder in path)
        return next((spec for spec in found if spec is not None), None)


def insist() -> None:
    """From now on import pybus's modules as plain Python."""
    sys.meta_path.insert(0, PlainFinder)
