"""Services that start when needed, as real processes: what starts them, who waits, and what ends them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

import pytest

import pybus
from pybus.errors import NoSuchService, StartFailed
from pybus.protocol.codec import pack, unpack
from pybus.protocol.frames import ANSWER, CALL, NO_REPLY, body_of, frame
from pybus.protocol.handshake import greeting
from tests.daemon import PATIENCE, SHIPPED, BusDaemon
from tests.raw import RawPeer

from .service_scene import (
    BUS,
    ECHO,
    NAME,
    PLAYER,
    STOPPED,
    TALKER,
    Scene,
    Watched,
    eventually,
    exited,
    is_asleep,
    running,
    starting,
    toml,
)

IDLE_SECONDS = 10


@pytest.fixture
def scene(daemon: BusDaemon) -> Iterator[Scene]:
    with Scene(daemon) as made:
        yield made


# --- what starts them -----------------------------------------------------------------------------


def test_the_first_call_starts_a_service_and_waits_for_it(scene: Scene) -> None:
    scene.offer(ECHO)
    assert (scene.state(), scene.processes()) == ("stopped", [])
    assert scene.alice.call(NAME, "echo", "hello") == "hello"
    assert scene.news("running") == [starting(1, "called by alice"), running(1, ":2")]
    assert scene.alice.call(NAME, "pid") == scene.pids[0]
    found = scene.ask("service", NAME)
    assert [found[key] for key in ("state", "pid", "owner", "starts", "failures", "last")] == [
        "running",
        scene.pids[0],
        ":2",
        1,
        0,
        None,
    ]
    assert scene.nothing_more()


def test_many_who_call_at_once_wait_for_one_start_and_are_served_in_order(scene: Scene) -> None:
    scene.offer(ECHO)
    with RawPeer(scene.daemon.path) as bob:
        for serial in range(100):
            body = pack([[serial], {}])
            bob.sock.sendall(frame(CALL, 0, bob.number, 0, serial, f"{NAME} echo".encode(), body))
        answers = [bob.read() for _ in range(100)]
    assert [(kind, serial) for kind, _, _, _, serial, *_ in answers] == [(ANSWER, serial) for serial in range(100)]
    assert [unpack(body_of(run)) for run in answers] == list(range(100))
    assert scene.ask("service", NAME)["starts"] == 1


def test_a_call_without_an_answer_starts_it_too(scene: Scene) -> None:
    scene.offer(TALKER)
    scene.alice.cast(NAME, "say", "hello")
    scene.daemon.wait_for_log("]: hello")
    assert scene.news("running") == [starting(1, "called by alice"), running(1, ":2")]


@pytest.mark.parametrize("pattern", ["media.player.state", "media.#", "media.*.state"])
def test_the_first_subscription_to_a_declared_topic_starts_it(scene: Scene, pattern: str) -> None:
    scene.offer(PLAYER, topics=["media.player.#"])
    signals = scene.alice.subscribe(pattern)
    heard = signals.receive(PATIENCE)
    assert heard is not None
    assert (heard.topic, heard.body) == ("media.player.state", "playing")
    assert scene.news("running") == [starting(1, f"alice subscribed to {pattern}"), running(1, ":2")]
    scene.alice.subscribe("media.player.other")
    scene.alice.flush()
    assert scene.nothing_more()


@pytest.mark.parametrize("pattern", ["#", "*.player.#", "*.*.state", "media.radio.#", "other.#"])
def test_who_listens_to_everything_or_to_something_else_starts_nothing(scene: Scene, pattern: str) -> None:
    scene.offer(PLAYER, topics=["media.player.#"])
    scene.alice.subscribe(pattern)
    scene.alice.flush()
    assert (scene.state(), scene.processes(), scene.nothing_more()) == ("stopped", [], True)


def test_autostart_starts_with_the_bus_and_when_its_file_comes(daemon: BusDaemon) -> None:
    daemon.offer(NAME, toml(exec=["{python}", "-c", ECHO], autostart=True))
    daemon.stop()
    daemon.restart()
    daemon.wait_for_log(f"{NAME}: running")
    with Scene(daemon) as scene:
        assert scene.state() == "running"
        scene.offer(ECHO, "org.example.Late", autostart=True)
        assert scene.news("running", "org.example.Late")[0] == starting(1, "it starts with the bus")
        daemon.reload()
        assert [one["starts"] for one in scene.ask("services")] == [1, 1]


# --- what their files say ---------------------------------------------------------------------------


def test_a_reload_finds_new_files_changed_ones_and_that_some_are_gone(scene: Scene) -> None:
    with pytest.raises(pybus.NameHasNoOwner, match=f"nobody owns the name {NAME}"):
        scene.alice.call(NAME, "pid")
    scene.offer(ECHO, description="Echoes.")
    assert scene.ask("service", NAME)["description"] == "Echoes."
    scene.offer(ECHO, description="Echoes well.", topics=["echo.#"])
    scene.alice.subscribe("echo.here")
    assert scene.news("running") == [starting(1, "alice subscribed to echo.here"), running(1, ":2")]
    os.remove(f"{scene.daemon.services}/{NAME}.toml")
    scene.daemon.reload()
    assert scene.alice.call(NAME, "echo", "still here") == "still here"
    assert scene.ask("stop_service", NAME) == "stopping"
    assert scene.news("stopped") == [exited(1, "SIGTERM", expected=True), STOPPED]
    scene.daemon.reload()
    with pytest.raises(NoSuchService, match=f"no service file describes {NAME}"):
        scene.state()


def test_a_wrong_file_is_named_with_line_and_key_and_the_others_work(scene: Scene) -> None:
    scene.daemon.offer("org.example.Wrong", 'exec = "true"\n\nrestart = "sometimes"\n')
    scene.daemon.offer("org.example.Torn", 'exec = "true\n')
    scene.offer(ECHO)
    warnings = [line.partition("warning: ")[2] for line in scene.daemon.log if "warning: " in line]
    assert [line.removeprefix(f"{scene.daemon.services}/").split(": ")[:2] for line in warnings] == [
        ["org.example.Torn.toml:2", "not valid TOML"],
        ["org.example.Wrong.toml:4", "restart"],
    ]
    assert scene.alice.call(NAME, "echo", "hello") == "hello"
    with pytest.raises(pybus.NameHasNoOwner, match="nobody owns the name org.example.Wrong"):
        scene.alice.call("org.example.Wrong", "pid")


def test_a_users_file_overrides_the_systems_and_the_shipped_one(scene: Scene) -> None:
    systems = Path(scene.daemon.environ["XDG_DATA_DIRS"], "pybus/services")
    systems.mkdir(parents=True)
    (systems / f"{NAME}.toml").write_text(f'name = "{NAME}"\n' + toml(exec="false", description="The system's."))
    others = [name for name in SHIPPED if name != "org.pybus.Hal"]
    scene.daemon.configure(f"[services]\ndisabled = {json.dumps(others)}\n")
    scene.daemon.reload()
    assert scene.ask("service", NAME)["description"] == "The system's."
    assert scene.ask("service", "org.pybus.Hal")["description"].startswith("Publishes this machine's hardware")
    scene.offer(ECHO, description="The user's.")
    scene.offer(ECHO, "org.pybus.Hal", description="No hardware.")
    assert {one["name"]: one["description"] for one in scene.ask("services")} == {
        NAME: "The user's.",
        "org.pybus.Hal": "No hardware.",
    }
    assert scene.alice.call(NAME, "echo", "hello") == "hello"


# --- what ends them ---------------------------------------------------------------------------------


def test_an_idle_one_is_ended_and_comes_back_when_it_is_needed(scene: Scene) -> None:
    scene.offer(PLAYER, topics=["media.player.#"], idle=1)
    scene.alice.call(NAME, "pid")
    assert scene.news("stopped") == [
        starting(1, "called by alice"),
        running(1, ":2"),
        exited(1, "SIGTERM", expected=True),
        STOPPED,
    ]
    assert scene.ask("service", NAME)["failures"] == 0
    signals = scene.alice.subscribe("media.player.#", retained=False)
    assert scene.news("running") == [starting(2, "alice subscribed to media.player.#"), running(2, ":3")]
    signals.close()
    assert scene.news("stopped") == [exited(2, "SIGTERM", expected=True), STOPPED]


def test_one_that_serves_a_call_or_is_listened_to_is_not_idle(scene: Scene) -> None:
    slow = ECHO.replace("serve()", "serve(sleep=lambda seconds: time.sleep(seconds))")
    scene.offer(slow, topics=["media.player.#"], idle=1)
    scene.alice.call(NAME, "sleep", 2.2)
    listening = scene.alice.subscribe("media.player.#")
    scene.alice.call(NAME, "sleep", 0)
    with pybus.connect(scene.daemon.address) as bob:
        bob.call(NAME, "sleep", 2.2)
        listening.close()
    assert scene.news("stopped") == [
        starting(1, "called by alice"),
        running(1, ":2"),
        exited(1, "SIGTERM", expected=True),
        STOPPED,
    ]


def test_by_hand_it_is_started_restarted_and_stopped(scene: Scene) -> None:
    scene.offer(ECHO)
    assert scene.ask("start_service", NAME) == "starting"
    assert scene.news("running") == [starting(1, "alice asked for it"), running(1, ":2")]
    assert scene.ask("start_service", NAME) == "running"
    assert scene.ask("restart_service", NAME) == "stopping"
    assert scene.alice.call(NAME, "echo", "meanwhile") == "meanwhile"
    assert scene.news("running") == [
        exited(1, "SIGTERM", expected=True),
        starting(2, "alice asked for it"),
        running(2, ":3"),
    ]
    assert scene.ask("stop_service", NAME) == "stopping"
    assert scene.news("stopped") == [exited(2, "SIGTERM", expected=True), STOPPED]
    assert scene.ask("stop_service", NAME) == "stopped"
    assert eventually(lambda: scene.processes() == [])
    assert scene.nothing_more()


def test_what_it_wrote_is_kept_through_its_runs_and_logged_under_its_name(scene: Scene) -> None:
    scene.offer(TALKER)
    scene.alice.call(NAME, "say", "one")
    scene.alice.call(NAME, "mutter", "two\n")
    with pytest.raises(pybus.ServiceDied):
        scene.alice.call(NAME, "leave", 0)
    scene.alice.call(NAME, "say", "three\x1b[2J")
    scene.daemon.wait_for_log("]: three")
    assert scene.ask("service_log", NAME) == ["one", "two", "three\x1b[2J"]
    first, second = (one["pid"] for one in scene.news("exited") + scene.news("running") if one["event"] == "starting")
    assert (first, second) == (1, 2)
    logged = [line[9:] for line in scene.daemon.log if f"{NAME}[" in line]
    assert logged == [
        f"{NAME}[{scene.pids[0]}]: one",
        f"{NAME}[{scene.pids[0]}]: two",
        f"{NAME}[{scene.pids[1]}]: three\\x1b[2J",
    ]


# --- what they cost ---------------------------------------------------------------------------------

LIGHT = """\
import _socket, os, sys
hello, claim, release, answer = map(bytes.fromhex, sys.argv[1:])
sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
sock.connect(os.environ["PYBUS_ADDRESS"].removeprefix("unix:"))

def take(size):
    data = sock.recv(size, _socket.MSG_WAITALL)
    return data if len(data) == size else os._exit(9)

def read():
    size = take(4)
    return size + take(int.from_bytes(size, "little") - 4)

def send(data, target=bytes(4), serial=bytes(4)):
    sock.sendall(data[:8] + number + target + serial + data[20:])

sock.sendall(hello)
take(8)
number = read()[12:16]
send(claim)
while (call := read())[4] != 4:
    pass
send(release)
send(answer, call[8:12], call[16:20])
os._exit(0)
"""
"""Claims its name, serves one call and ends, in 10 ms. The name is given up before the answer, so the next call
is never one for a service that is about to end."""


def light_service() -> list[str]:
    """Its command. It patches its number into frames that are made here."""
    key = f"{BUS} request_name".encode(), f"{BUS} release_name".encode()
    claim, release = (frame(CALL, NO_REPLY, 0, 0, 0, one, pack([[NAME], {}])) for one in key)
    frames = (greeting("light"), claim, release, frame(ANSWER, 0, 0, 0, 0, b"", pack("served")))
    return ["{python}", "-I", "-S", "-c", LIGHT, *(one.hex() for one in frames)]


@pytest.mark.timeout(600)
def test_a_thousand_activations_in_a_row_leave_nothing_behind(scene: Scene) -> None:
    daemon = scene.daemon
    scene.offer(light_service(), start_timeout=5)

    def activate(times: int) -> list[object]:
        for _ in range(times):
            assert scene.alice.call(NAME, "serve") == "served"
        assert eventually(lambda: scene.state() == "stopped" and scene.processes() == [])
        told = [one["event"] for _ in range(times) for one in scene.news("exited")]
        return [event for event in told if event != "stopped"]  # it is not told if a call waits already

    def holdings() -> tuple[object, ...]:
        stats = scene.ask("stats")
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd")), stats["peers"], stats["open_calls"], stats["names"]

    activate(100)  # whatever is kept of the last ones is kept by now
    before, memory = holdings(), daemon.memory()
    assert activate(1000) == ["starting", "running", "exited"] * 1000
    assert holdings() == before
    assert daemon.memory() - memory < 1024
    assert [scene.ask("service", NAME)[key] for key in ("starts", "failures", "pid", "owner")] == [1100, 0, 0, None]
    asleep_since = daemon.wake_ups()
    time.sleep(6)  # longer than any time limit of those activations
    assert daemon.wake_ups() - asleep_since <= 2
    assert [line for line in daemon.log if "warning" in line] == []


def test_a_bus_that_may_start_everything_is_one_process_that_never_wakes_up(daemon: BusDaemon) -> None:
    daemon.configure("")
    daemon.reload()
    with Scene(daemon) as scene:
        shipped = scene.ask("services")
        assert [one["state"] for one in shipped] == ["stopped"] * len(shipped)
        assert "org.pybus.Hal" in [one["name"] for one in shipped]
        scene.alice.subscribe("#")
        with pytest.raises(pybus.NameHasNoOwner):
            scene.alice.call("org.example.Nobody", "ping")
        assert eventually(lambda: is_asleep(daemon.process.pid))
        before = daemon.wake_ups()
        time.sleep(IDLE_SECONDS)  # the time without traffic is what is measured
        assert (daemon.wake_ups(), scene.processes()) == (before, [])


@pytest.mark.skipif(find_spec("pyudev") is None, reason="pyudev is not installed")
@pytest.mark.skipif(find_library("udev") is None, reason="libudev is not installed")
def test_the_hardware_service_comes_for_those_who_listen_and_goes_with_them(scene: Scene) -> None:
    hal = "org.pybus.Hal"
    scene.daemon.configure("")
    scene.offer(["{python}", "-m", "pybus_services.hal"], hal, topics=["hal.#"], idle=1)
    listening = scene.alice.subscribe("hal.power.#")
    assert scene.news("running", hal) == [starting(1, "alice subscribed to hal.power.#"), running(1, ":2")]
    scene.daemon.wait_for_log("pybus-hal: serving")
    listening.close()
    assert scene.news("stopped", hal)[0]["expected"] is True
    assert eventually(lambda: scene.processes() == [])


# --- a bus that dies --------------------------------------------------------------------------------


def test_a_restarted_bus_starts_its_services_anew(daemon: BusDaemon) -> None:
    with Scene(daemon) as scene:
        scene.offer(ECHO)
        scene.alice.call(NAME, "pid")
        family = Watched(scene.processes())
        daemon.kill()
        assert family.left_after(PATIENCE) == []
        daemon.restart()
    with Scene(daemon) as scene:
        assert (scene.state(), scene.processes()) == ("stopped", [])
        assert scene.alice.call(NAME, "echo", "hello again") == "hello again"
        assert scene.news("running") == [starting(1, "called by alice"), running(1, ":2")]


def test_a_script_that_only_publishes_is_a_service_too(daemon: BusDaemon) -> None:
    script = "pybus-send count.one 1 --retain && exec sleep 1000"
    with Scene(daemon) as scene:
        daemon.offer(NAME, f'exec = ["sh", "-c", "{script}"]\ntopics = ["count.#"]\ncalls = false\nidle = 1\n')
        daemon.reload()
        counts = scene.alice.subscribe("count.*")
        first = counts.receive(PATIENCE)
        assert first is not None
        assert (first.topic, first.body) == ("count.one", "1")
        assert scene.state() == "running"
        with pytest.raises(StartFailed, match=f"^{NAME} takes no calls, as its file says "):
            scene.alice.call(NAME, "play")
        counts.close()
        assert scene.news("stopped")[-1] == STOPPED
