"""`pybus call` against a real bus: what becomes of the arguments, of the time, and of a name that nobody owns."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import pybus
from pybus.cli.call import arguments
from pybus.errors import UsageError
from pybus.protocol.codec import pack
from pybus.protocol.frames import ANSWER, CALL, frame
from tests.cli.programs import run, started
from tests.cli.service_files import offer_services
from tests.daemon import PATIENCE, BusDaemon
from tests.raw import RawPeer
from tests.serving import serving

NAME = "org.example.Player"


class Player:
    def play(self, uri: str, volume: float = 1.0, *, loop: bool = False) -> dict:  # type: ignore[type-arg]
        return {"uri": uri, "volume": volume, "loop": loop}

    def stop(self) -> str:
        return "stopped"

    def tag(self, uri: str, **tags: str) -> dict:  # type: ignore[type-arg]
        return {"uri": uri, **tags}

    def queue(self, *uris: str) -> list:  # type: ignore[type-arg]
        return list(uris)


@pytest.fixture
def player(daemon: BusDaemon) -> Iterator[BusDaemon]:
    with serving(daemon.address, NAME, Player()):
        yield daemon


def call(daemon: BusDaemon, *words: str) -> tuple[int, object, str]:
    """Call the player; the exit code, the answer and the complaint."""
    code, out, err = run(daemon, "pybus", "call", NAME, *words)
    return code, json.loads(out) if out else None, err


# --- arguments ------------------------------------------------------------------------------------


def test_a_key_that_is_no_parameter_is_named(player: BusDaemon) -> None:
    complaint = "pybus call: play() has no parameter 'bogus'; there are: uri, volume, loop\n"
    assert call(player, "play", "x", "volume=0.5", "bogus=1") == (2, None, complaint)
    assert call(player, "play", "x", "bogus=1", "volume=0.5") == (2, None, complaint)


def test_a_word_that_only_looks_like_a_key_is_an_argument_while_there_is_room(player: BusDaemon) -> None:
    whole = {"uri": "page?x=1", "volume": 0.5, "loop": False}
    assert call(player, "play", "page?x=1", "volume=0.5") == (0, whole, "")
    assert call(player, "play", "x=1", "volume=0.5") == (0, {**whole, "uri": "x=1"}, "")
    assert call(player, "queue", "a", "b=1") == (0, ["a", "b=1"], "")


def test_a_method_that_takes_any_key_gets_it(player: BusDaemon) -> None:
    assert call(player, "tag", "x", "artist=Lang") == (0, {"uri": "x", "artist": "Lang"}, "")


def test_what_is_too_much_is_refused_by_the_service(player: BusDaemon) -> None:
    code, _, err = call(player, "play", "x", "1", "2")
    assert (code, err.startswith("pybus call: play(): too many positional arguments")) == (1, True)


def test_arguments_of_an_unknown_method_are_read_as_they_look() -> None:
    assert arguments(["1", "x", "key=true", "a-b=2"], [], "go") == ([1, "x", "a-b=2"], {"key": True})


def test_the_first_key_without_a_parameter_is_named() -> None:
    parameters = [{"name": "uri", "type": "str", "kind": "plain"}]
    with pytest.raises(UsageError, match="^go\\(\\) has no parameter 'b'; there are: uri$"):
        arguments(["a=1", "b=2", "c=3"], parameters, "go")


# --- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["x"], ["x", "--no-reply"]])
def test_a_service_that_hangs_takes_no_more_time_than_was_given(
    daemon: BusDaemon, bob: pybus.Bus, more: list[str]
) -> None:
    bob.register(NAME, Player())  # and never serves it
    code, _, err = call(daemon, "play", *more, "--timeout", "0.3")  # awaited for less than the usual 25 s
    assert code == 1
    assert err.endswith(" did not answer in time (DeadlinePassed)\n")


def test_a_service_that_hangs_after_it_has_described_itself(daemon: BusDaemon) -> None:
    with RawPeer(daemon.path) as dave:
        dave.ask("request_name", NAME)
        with started(daemon, "pybus", "call", NAME, "play", "x", "--timeout", "0.5") as calling:
            asked = next(run for run in iter(dave.read, None) if run[0] == CALL)
            dave.sock.sendall(frame(ANSWER, 0, dave.number, asked[2], asked[4], b"", pack({"methods": []})))
            called = next(run for run in iter(dave.read, None) if run[0] == CALL)
            _, err = calling.communicate(timeout=PATIENCE)
    assert [asked[5], called[5]] == [f"{NAME} introspect".encode(), f"{NAME} play".encode()]
    assert (calling.returncode, err.endswith(" did not answer in time (DeadlinePassed)\n")) == (1, True)


# --- names ----------------------------------------------------------------------------------------


def test_a_name_that_nobody_owns_brings_its_near_misses(player: BusDaemon) -> None:
    offer_services(player)
    for wrong, right in (("org.example.Playr", NAME), ("org.example.Crushing", "org.example.Crashing")):
        message = f"pybus call: nobody owns the name {wrong}; did you mean {right}? (NameHasNoOwner)\n"
        assert run(player, "pybus", "call", wrong, "stop") == (1, "", message)
        assert run(player, "pybus", "call", wrong, "play", "x") == (1, "", message)


def test_an_error_about_another_name_is_passed_on_as_it_is(daemon: BusDaemon) -> None:
    def ask() -> None:
        raise pybus.NameHasNoOwner("nobody owns the name org.example.Screen")

    with serving(daemon.address, NAME, {"ask": ask}):
        message = "pybus call: nobody owns the name org.example.Screen (NameHasNoOwner)\n"
        assert run(daemon, "pybus", "call", NAME, "ask") == (1, "", message)


def test_a_service_whose_file_has_a_mistake_is_told_with_it(daemon: BusDaemon) -> None:
    daemon.offer(NAME, 'exec = "true"\nidle = "long"\n')
    daemon.reload()
    code, out, err = run(daemon, "pybus", "call", NAME, "stop")
    file = f"{daemon.services}/{NAME}.toml"
    assert (code, out) == (1, "")
    assert err.startswith(f"pybus call: nobody owns the name {NAME}; its file has a mistake: {file}:3: idle: must be ")
