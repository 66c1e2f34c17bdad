"""Compiles the hot modules (those with a .pxd beside them) where a C compiler is; all else is in pyproject.toml.

Where there is no compiler, or no Python.h, or PYBUS_PURE is set, pybus is built plain, and `pybus --version` says why.
A compiler that works but fails on our modules is another matter: the build fails and says what to do.
"""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
PURE = "PYBUS_PURE"
HOT = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "pybus").rglob("*.pxd"))
DIRECTIVES = {
    "language_level": 3,
    # C types stand in the .pxd files only; the hints in the source are for people and mypy.
    "annotation_typing": False,
    # Bytes come from anybody: no index is unchecked.
    "boundscheck": True,
    "wraparound": True,
    # A None that should not be there is an error in the log, as in plain Python, and not the end of the bus.
    "nonecheck": True,
}
PROBE = "#include <Python.h>\nint main(void) { return PY_VERSION_HEX == 0; }\n"


class Build(build_ext):
    """Builds all of the extensions, or none and leaves the reason where `pybus --version` finds it."""

    def run(self) -> None:
        # Kept, as setuptools forgets it while it builds: in any case elsewhere first.
        self.place = ROOT if self.inplace else Path(self.build_lib)
        super().run()

    def build_extensions(self) -> None:
        self.parallel = self.parallel or os.cpu_count()
        reason_file = self.place / "pybus" / "not-compiled.txt"
        reason_file.unlink(missing_ok=True)
        missing = self._missing()
        if missing:
            self.extensions = []
        self._remove_others()
        if missing:
            reason_file.parent.mkdir(parents=True, exist_ok=True)
            reason_file.write_text(f"{missing}\n", encoding="utf-8")
            say(f"pybus is built as plain Python: {missing}")
            return
        try:
            super().build_extensions()
        except BaseException:
            say(f"THE COMPILED PARTS OF pybus COULD NOT BE BUILT (see above). {PURE}=1 builds it without them.")
            raise

    def _remove_others(self) -> None:
        """Remove what an earlier build has left of modules that are not compiled any more: it would run in their place.

        Only what is of this Python; others have their own.
        """
        built = {self.place / self.get_ext_filename(extension.name) for extension in self.extensions}
        for path in (self.place / "pybus").rglob(self.get_ext_filename("*")):
            if path not in built:
                path.unlink()

    def _missing(self) -> str:
        """What is missing for compiling anything at all; "" if nothing is."""
        if os.environ.get(PURE):
            return f"{PURE} was set when it was built"
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder, "probe.c")
            probe.write_text(PROBE)
            try:
                self.compiler.compile([str(probe)], output_dir=folder)
            except Exception as error:
                return f"there was no C compiler with Python's headers when it was built ({error})"
        return ""


def extensions() -> list[Extension]:
    """What Cython makes of the hot modules. Without it their names are enough, for what is left of an earlier build."""
    # What a debugger needs is six times the code; who wants it, or sanitizers, gives flags of his own.
    flags = [] if os.environ.get("CFLAGS") else ["-g0"]
    modules = [Extension(".".join(path.parts), [f"{path}.py"], extra_compile_args=flags) for path in HOT]
    if os.environ.get(PURE):
        return modules
    from Cython.Build import cythonize

    return cythonize(modules, compiler_directives=DIRECTIVES, build_dir="build/cython", quiet=True)


def say(text: str) -> None:
    """Tell whoever builds."""
    print(text, file=sys.stderr, flush=True)


setup(ext_modules=extensions(), cmdclass={"build_ext": Build})
