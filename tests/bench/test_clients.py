"""The Python clients that are compared: each works, or is left out by name; a message that is wrong is noticed."""

import asyncio
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.bench.buses import NotAvailable
from tests.bench.client import BODY, CLIENTS, Client, Countdown, need, under_way
from tests.bench.crew import Failure
from tests.bench.scenarios import SCENARIOS
from tests.bench.test_bench import bench
from tests.test_architecture import imports

_HERE = Path(__file__).parent
_MODULES = {client.package: client.module for client in CLIENTS if client.package != "pybus"}


@pytest.mark.parametrize("package", sorted(_MODULES))
def test_each_library_is_imported_in_one_file(package: str) -> None:
    importing = [
        path.name for path in _HERE.rglob("*.py") if any(name.split(".")[0] == package for name in imports(path))
    ]
    assert importing == [f"{_MODULES[package]}.py"]


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", ["python", "calls", "queues"])
def test_each_client_that_is_installed_is_measured_with_nothing_lost(tmp_path: Path, name: str) -> None:
    parts = {opening.by for opening in SCENARIOS[name]}
    clients = [client for client in CLIENTS if client.does & parts and find_spec(client.package)]
    buses = {bus for client in clients for bus in client.buses}
    found = bench(tmp_path, "--only", name, *(word for bus in buses for word in ("--bus", bus)))
    without = {text.partition(":")[0] for text in found["left out"]}
    assert found["failed"] == []
    assert {figure["bus"] for figure in found["figures"]} == {
        f"{bus} ({client.name})" for client in clients for bus in client.buses if bus not in without
    }


def test_a_library_that_is_not_installed_is_told_by_name() -> None:
    with pytest.raises(NotAvailable, match="absent-py is not installed"):
        need(Client("absent-py", "absent_client", "absent", ("absent",), frozenset({"python"})))


def test_a_countdown_ends_with_the_last_message() -> None:
    ended: list[str] = []
    countdown = Countdown()
    countdown.ended = lambda: ended.append("ended")
    countdown.expect(2)
    countdown.count(BODY)
    assert ended == []
    countdown.count(BODY)
    assert ended == ["ended"]


def test_a_message_that_was_not_published_fails_the_round() -> None:
    countdown = Countdown()
    countdown.expect(2)
    with pytest.raises(Failure, match="b'others' came in place of what was published"):
        countdown.count(b"others")


def test_more_messages_than_were_published_fail_the_next_round() -> None:
    countdown = Countdown()
    countdown.expect(1)
    for _ in range(3):
        countdown.count(BODY)
    with pytest.raises(Failure, match="2 more messages came than were published"):
        countdown.expect(1)


async def test_so_many_steps_are_under_way_at_any_moment() -> None:
    now: list[int] = []
    moments: list[int] = []

    async def step() -> None:
        now.append(1)
        await asyncio.sleep(0)
        moments.append(len(now))
        now.pop()

    await under_way(3, step, 9)
    assert (moments, now) == ([3] * 7 + [2, 1], [])
