"""Fixtures for all tests."""

from collections.abc import Generator, Iterator

import hypothesis
import pytest

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


@pytest.fixture
def daemon() -> Iterator[BusDaemon]:
    """A bus of the test's own."""
    with BusDaemon() as running:
        yield running


@pytest.fixture
def bus_env(daemon: BusDaemon) -> dict[str, str]:
    """The environment for programs that are to find the test's bus."""
    return daemon.environ
