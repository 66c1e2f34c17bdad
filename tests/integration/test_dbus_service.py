"""org.pybus.DBus: from a program, over the bus, over D-Bus, to a notification service and back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import pybus
from pybus_services.dbus.rules import settings
from tests.daemon import PATIENCE, BusDaemon

from .private_dbus import Notifier, PrivateDBus, needs_dbus, notifier

pytestmark = needs_dbus

NAME = "org.pybus.DBus"
NOTIFICATIONS = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
NOTIFY = f"{NOTIFICATIONS}.Notify"


@pytest.fixture
def dbus(tmp_path: Path) -> Iterator[PrivateDBus]:
    with PrivateDBus(tmp_path) as running:
        yield running


@pytest.fixture
def daemon(dbus: PrivateDBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BusDaemon]:
    """A bus that offers the shipped service without its rules, with a D-Bus session bus and no system bus."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", dbus.address)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    with BusDaemon() as running:
        running.configure('[services]\ndisabled = ["org.pybus.Hal"]\n')
        disabled = [rule.name for rule in settings.load({"HOME": str(tmp_path)}).rules]
        Path(running.configuration).with_name("dbus.toml").write_text(f"disabled = {disabled}\n")
        running.reload()
        yield running


@pytest.fixture
async def alice(daemon: BusDaemon) -> AsyncIterator[pybus.aio.Bus]:
    async with pybus.aio.connect(daemon.address, program="alice") as bus:
        yield bus


@pytest.fixture
async def desktop(dbus: PrivateDBus) -> AsyncIterator[Notifier]:
    async with notifier(dbus.address) as running:
        yield running


async def _connections(alice: pybus.aio.Bus) -> list[str]:
    """The unique names on D-Bus."""
    names = await alice.call(NAME, "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames")
    return [name for name in names if name.startswith(":")]


# --- what it is for -------------------------------------------------------------------------------


async def test_a_notification_by_the_signature_that_the_object_gives(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    hints = {"urgency": {"signature": "y", "value": 1}, "transient": True, "image-path": "/a.png"}
    sent = ["alice", 0, "", "Lunch", "at noon", ["ok", "Yes"], hints, 5000]
    assert await alice.call(NAME, "call", NOTIFICATIONS, PATH, NOTIFY, sent) == 1
    wrapped = {"urgency": ["y", 1], "transient": ["b", True], "image-path": ["s", "/a.png"]}
    assert await desktop.next() == ["alice", 0, "", "Lunch", "at noon", ["ok", "Yes"], wrapped, 5000]
    assert await alice.call(NAME, "call", NOTIFICATIONS, PATH, NOTIFY, sent) == 2


async def test_a_notification_by_a_signature_of_ones_own(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    sent = ["alice", 7, "", "Lunch", "", [], {}, -1]
    answer = await alice.call(NAME, "call", NOTIFICATIONS, PATH, NOTIFY, sent, signature="susssasa{sv}i")
    assert (answer, await desktop.next()) == (7, sent)


async def test_answers_of_none_one_and_several_values(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    async def answer(method: str, *args: object) -> Any:
        return await alice.call(NAME, "call", NOTIFICATIONS, PATH, f"{NOTIFICATIONS}.{method}", list(args))

    assert await answer("CloseNotification", 0) is None
    assert await answer("GetServerInformation") == ["notifier", "example", "1", "1.2"]
    assert await answer("Everything") == ["/a/b", "a{sv}", {"bytes": b"\0\xff", "deep": {1: "one"}}, 0.5]


async def test_a_property(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    assert await alice.call(NAME, "get", NOTIFICATIONS, PATH, f"{NOTIFICATIONS}.Last") == 0
    with pytest.raises(pybus.ServiceError) as refused:
        await alice.call(NAME, "get", NOTIFICATIONS, PATH, f"{NOTIFICATIONS}.First")
    assert refused.value.name == "org.freedesktop.DBus.Error.UnknownProperty"


async def test_many_calls_at_once_share_one_connection(alice: pybus.aio.Bus) -> None:
    answers = await asyncio.gather(*(_connections(alice) for _ in range(50)))
    assert answers == [answers[0]] * 50
    assert len(answers[0]) == 1


async def test_it_tells_what_it_can(alice: pybus.aio.Bus) -> None:
    described = await alice.call(NAME, "introspect")
    shown = {one["name"]: [entry["name"] for entry in one["parameters"]] for one in described["methods"]}
    assert shown == {
        "call": ["destination", "path", "method", "args", "signature", "bus", "timeout"],
        "get": ["destination", "path", "name", "bus", "timeout"],
    }
    assert all(one["doc"] for one in described["methods"])


# --- what goes wrong ------------------------------------------------------------------------------


async def _refusal(alice: pybus.aio.Bus, *args: object, **named: object) -> tuple[str, str]:
    with pytest.raises(pybus.CallError) as refused:
        await alice.call(NAME, "call", *args, **named)
    return refused.value.name, refused.value.message


async def test_errors_on_dbus_keep_their_names(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    close = (NOTIFICATIONS, PATH, f"{NOTIFICATIONS}.CloseNotification")
    assert await _refusal(alice, *close, [9]) == (
        "org.freedesktop.Notifications.Error.NoSuchNotification",
        "there is no notification 9",
    )
    assert await _refusal(alice, "org.example.Nobody", "/", "org.example.Player.Play") == (
        "org.freedesktop.DBus.Error.ServiceUnknown",
        "The name org.example.Nobody was not provided by any .service files",
    )
    assert await _refusal(alice, NOTIFICATIONS, PATH, f"{NOTIFICATIONS}.Sing", ["la"]) == (
        "org.freedesktop.DBus.Error.UnknownMethod",
        f"{NOTIFICATIONS} does not say that {PATH} has a method {NOTIFICATIONS}.Sing;"
        " to call it all the same, give its signature",
    )
    # Not a word of it had an effect on what comes next.
    assert await alice.call(NAME, "call", *close, [0]) is None


async def test_arguments_that_do_not_fit(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    close = (NOTIFICATIONS, PATH, f"{NOTIFICATIONS}.CloseNotification")
    refusals = [
        await _refusal(alice, *close, [-1]),
        await _refusal(alice, *close, [1, 2]),
        await _refusal(alice, *close, [1], signature="("),
        await _refusal(alice, NOTIFICATIONS, PATH, "Notify"),
        await _refusal(alice, NOTIFICATIONS, "a", NOTIFY),
        await _refusal(alice, *close, [1], bus="user"),
        await _refusal(alice, *close, [1], timeout=0),
        await _refusal(alice, *close, [1], timeout=1e9),
        await _refusal(alice, NOTIFICATIONS, PATH, "org.freedesktop.DBus.Local.Disconnected"),
    ]
    assert {name for name, _ in refusals} == {"org.pybus.Error.InvalidArguments"}
    assert [message for _, message in refusals] == [
        "argument 1 is -1, and type 'u', unsigned 32-bit integer, is from 0 to 4294967295",
        "given are 2 arguments, and the signature 'u' has 1",
        'missing closing ")" for struct',
        "'Notify' lacks its interface: it must be like org.example.Player.Play",
        "'a' is no object path: it must be like /org/example/Player",
        "there is no bus 'user'; there are: session, system",
        "a timeout must be more than 0 seconds and 3600 at most, not 0",
        "a timeout must be more than 0 seconds and 3600 at most, not 1000000000.0",
        "the interface org.freedesktop.DBus.Local is reserved: no bus takes a message with it",
    ]


async def test_a_bus_that_is_not_there(alice: pybus.aio.Bus, tmp_path: Path) -> None:
    assert await _refusal(alice, "org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetId", bus="system") == (
        "org.pybus.DBus.Error.NoBus",
        f"the system bus of D-Bus can't be reached: {tmp_path}/nobody: No such file or directory",
    )


async def test_no_answer_in_time(alice: pybus.aio.Bus, desktop: Notifier) -> None:
    sent = ["alice", 0, "", "slow", "", [], {}, 0]
    assert await _refusal(alice, NOTIFICATIONS, PATH, NOTIFY, sent, timeout=0.2) == (
        "org.freedesktop.DBus.Error.NoReply",
        "no answer in 0.2 s",
    )


async def test_a_lost_bus_ends_the_call_in_flight_and_the_next_one_connects_again(
    alice: pybus.aio.Bus, dbus: PrivateDBus, desktop: Notifier
) -> None:
    sent = ["alice", 0, "", "slow", "", [], {}, 0]
    calling = asyncio.ensure_future(_refusal(alice, NOTIFICATIONS, PATH, NOTIFY, sent))
    await desktop.next()
    dbus.kill()
    assert await calling == (
        "org.pybus.DBus.Error.ConnectionLost",
        "the session bus of D-Bus: the connection ended: the bus closed the connection; the method may have run or not",
    )
    assert (await _refusal(alice, NOTIFICATIONS, PATH, NOTIFY, sent))[0] == "org.pybus.DBus.Error.NoBus"
    dbus.restart()
    assert len(await _connections(alice)) == 1


# --- the program ----------------------------------------------------------------------------------


def _run(environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pybus_services.dbus", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


@contextlib.contextmanager
def _running(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The service by hand, once it serves."""
    command = [sys.executable, "-X", "dev", "-W", "error", "-m", "pybus_services.dbus"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline() == "pybus-dbus: serving\n"
            yield process
        finally:
            process.kill()


async def test_it_ends_when_told_to(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    with _running(daemon.environ) as process:
        assert len(await _connections(alice)) == 1
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_second_one_does_not_start(daemon: BusDaemon) -> None:
    with _running(daemon.environ):
        second = _run(daemon.environ)
    assert second.returncode == 5
    assert second.stderr.startswith("pybus-dbus: org.pybus.DBus is owned by pybus-dbus ")


def test_without_a_bus_it_says_so(tmp_path: Path) -> None:
    done = _run({**os.environ, "PYBUS_ADDRESS": f"unix:{tmp_path}/bus"})
    assert done.returncode == 4
    assert done.stderr.startswith("pybus-dbus: ")


def test_without_dbus_next_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['dbus_next'] = None\n")
    done = _run({**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '.')}"})
    text = "pybus-dbus: dbus-next is not installed; install it with: pip install 'pybus[services]'\n"
    assert (done.returncode, done.stderr) == (3, text)
