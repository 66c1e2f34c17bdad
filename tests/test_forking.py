"""Programs that are forked off, beside the same ones that are started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.forking import PATIENCE, Forked

PYBUS = str(Path(sys.executable).with_name("pybus"))

LOOKS = """\
import os, signal, sys
print(sys.argv, sys.path[0], __name__, os.getcwd(), sys.stdin.read())
print(open("/proc/self/cmdline").read().rstrip("\\0").split("\\0"), sorted(os.listdir("/proc/self/fd")))
print(sorted(os.environ.items()), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.encoding, stream.errors, stream.line_buffering, stream.isatty(), stream is sys.__stdout__)
"""


def outcome(code: int, out: str, err: str) -> tuple[int, str, str]:
    """Of the errors the last line, as in a traceback there are also the forked one's own lines."""
    return code, out, err.splitlines()[-1] if err else ""


def started(command: Sequence[str], stdin: str) -> tuple[int, str, str]:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE, env=os.environ)
    return outcome(done.returncode, done.stdout, done.stderr)


def forked(command: Sequence[str], stdin: str) -> tuple[int, str, str]:
    process = Forked(command, os.environ, stdin)
    out, err = process.communicate()
    return outcome(process.wait(), out, err)


@pytest.mark.parametrize(
    "words",
    [
        [sys.executable, "-c", LOOKS, "one", "zwei €"],
        [sys.executable, "-c", "print('before'); raise SystemExit(3)"],
        [sys.executable, "-c", "import sys; sys.exit('what is wrong')"],
        [sys.executable, "-c", "raise SystemExit(-1)"],
        [sys.executable, "-c", "1 / 0"],
        [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
        [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGINT); signal.pause()"],
        [sys.executable, "-c", "import atexit, threading\natexit.register(print, 'end')\n"
         "threading.Thread(target=lambda: print(input())).start()"],
        [sys.executable, "-c", "import sys; sys.stdout.write('x' * 200_000); sys.stderr.write('y' * 200_000)"],
        [sys.executable, "-m", "pybus", "--version"],
        [PYBUS, "explain", "--help"],
        [PYBUS, "nonsense"],
    ],
)  # fmt: skip
def test_a_forked_program_does_as_a_started_one(words: list[str]) -> None:
    assert forked(words, "two\nlines") == started(words, "two\nlines")


def test_a_script_is_run_with_its_folder_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(f"import beside\n{LOOKS}")
    (tmp_path / "beside.py").write_text("print('found')")
    words = [sys.executable, str(tmp_path / "script"), "one"]
    assert forked(words, "") == started(words, "")


def test_signals_reach_it_and_its_end_is_waited_for() -> None:
    process = Forked([sys.executable, "-c", "print('ready', flush=True); input(); print(1)"], os.environ)
    process.communicate()
    assert (process.poll(), process.returncode) == (1, 1)
    sleeper = Forked([sys.executable, "-c", "import signal; print('ready', flush=True); signal.pause()"], os.environ)
    assert sleeper.stdout is not None
    assert sleeper.stdout.readline() == "ready\n"
    assert sleeper.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.01)
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.communicate(0.01)
    sleeper.send_signal(signal.SIGUSR1)
    assert (sleeper.wait(), sleeper.communicate()) == (-signal.SIGUSR1, ("", ""))
    sleeper.kill()  # which does nothing any more


def test_threads_may_ask_and_wait_at_the_same_time() -> None:
    for _ in range(100):
        process = Forked([sys.executable, "-c", "pass"], os.environ)
        with ThreadPoolExecutor() as others:
            written, code = others.submit(process.communicate), others.submit(process.wait)
            while process.poll() is None:
                pass
            assert (written.result(), code.result()) == (("", ""), 0)


def test_what_is_decided_before_a_program_runs_is_not_given_too_late() -> None:
    with pytest.raises(AssertionError, match="PYTHONWARNINGS"):
        Forked([sys.executable, "-c", ""], {**os.environ, "PYTHONWARNINGS": "error"})
