"""Fixtures for all tests."""

import gc
import subprocess
from collections.abc import Generator, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import hypothesis
import pytest

import pybus
from tests.daemon import BusDaemon

# How long an example takes, and how long it takes to make one, says more of the machine's other work than of ours.
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what a test wrote that is no UTF-8, which the workers of pytest-xdist can't pass on."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


def pytest_configure() -> None:
    """Refuse to test compiled modules that are older than their source, or have become plain since."""
    if not pybus.is_compiled():
        return
    for built in Path(pybus.__file__).parent.rglob(f"*{EXTENSION_SUFFIXES[0]}"):
        if not built.with_name(f"{built.name.partition('.')[0]}.pxd").exists():
            raise pytest.UsageError(f"{built} is left of when that was compiled: delete it")
    for types in Path(pybus.__file__).parent.rglob("*.pxd"):
        changed = max(types.stat().st_mtime, types.with_suffix(".py").stat().st_mtime)
        built = types.with_suffix(EXTENSION_SUFFIXES[0])
        if not built.exists() or built.stat().st_mtime < changed:
            raise pytest.UsageError(f"{types.with_suffix('.py')} is newer than {built.name}: use make, which builds it")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare the search for garbage all that is made while collecting: thousands of tests, which stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def daemon() -> Iterator[BusDaemon]:
    """A bus of the test's own."""
    with BusDaemon() as running:
        yield running


@pytest.fixture
def bus_env(daemon: BusDaemon) -> dict[str, str]:
    """The environment for programs that are to find the test's bus."""
    return daemon.environ


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m,mode=700", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
