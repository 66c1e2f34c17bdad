"""org.pybus.Presence: from a person, over the bus and a real chat server, to a friend's client and to the topics."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import pybus
from pybus_services.presence.account import default_resource
from tests.daemon import PATIENCE, SHIPPED, BusDaemon

from .chat_bed import Prosody, bob, needs_chat
from .hal_scene import Program, Scene

pytestmark = needs_chat

NAME = "org.pybus.Presence"
NOT_TOLD = f"{NAME}.Error.NotTold"
BIN = Path(sys.executable).parent

AVAILABLE = ["available", "", ""]
GONE = ["unavailable", "", ""]


@pytest.fixture(scope="module")
def prosody() -> Iterator[Prosody]:
    with Prosody() as running:
        yield running


@pytest.fixture
def server(prosody: Prosody) -> Prosody:
    """The chat server, which runs, whatever the scene before this has done to it."""
    prosody.kill()
    prosody.start()
    return prosody


@pytest.fixture
def daemon() -> Iterator[BusDaemon]:
    """A bus that offers this service alone."""
    with BusDaemon() as running:
        others = [name for name in SHIPPED if name != NAME]
        running.configure(f"[services]\ndisabled = {others}\n")
        running.reload()
        yield running


@pytest.fixture
def file(daemon: BusDaemon) -> Path:
    """Alice's chat.toml, which is not there yet."""
    return Path(daemon.configuration).with_name("chat.toml")


@pytest.fixture
async def alice(daemon: BusDaemon) -> AsyncIterator[pybus.aio.Bus]:
    async with pybus.aio.connect(daemon.address, program="alice") as bus:
        yield bus


def write(file: Path, text: str, mode: int = 0o600) -> None:
    file.write_text(text)
    file.chmod(mode)


async def state(alice: pybus.aio.Bus) -> Any:
    return await alice.call(NAME, "get")


async def set_status(alice: pybus.aio.Bus, *arguments: str) -> None:
    await alice.call(NAME, "set", *arguments)


async def refusal(alice: pybus.aio.Bus, *arguments: str) -> str:
    """Why a status that she sets can't be told."""
    with pytest.raises(pybus.ServiceError) as refused:
        await set_status(alice, *arguments)
    assert refused.value.name == NOT_TOLD
    return refused.value.message


async def told(signals: pybus.aio.Subscription, topic: str, body: object) -> None:
    """Wait until a topic says this."""
    async with asyncio.timeout(PATIENCE):
        async for one in signals:
            if (one.topic, one.body) == (topic, body):
                return


async def next_of(signals: pybus.aio.Subscription, topic: str) -> Any:
    """What a topic says next."""
    async with asyncio.timeout(PATIENCE):
        while True:
            one = await anext(signals)
            if one.topic == topic:
                return one.body


async def command(people: Scene, *words: str) -> list[str]:
    """Run an installed command to its end; the lines that it printed."""
    program = Program(await people.start(str(BIN / words[0]), *words[1:]))
    lines = await program.rest()
    assert (await program.process.wait(), words) == (0, words), lines
    return lines


# --- what it is for -------------------------------------------------------------------------------


async def test_a_friend_sees_what_she_sets_and_the_topic_tells_it(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account())
    friend = await bob(people, server)
    listener = Program(await people.start(str(BIN / "pybus-listen"), "chat.status"))
    assert await listener.line() == "chat.status offline"
    for words, seen, line in (
        (["available"], AVAILABLE, "available"),
        (["away", "coffee"], ["away", "away", "coffee"], "away"),
        (["dnd", "focus"], ["dnd", "dnd", "focus"], "dnd"),
        (["available"], AVAILABLE, "available"),
        (["offline", "back on Monday"], ["unavailable", "", "back on Monday"], "offline"),
    ):
        assert await command(people, "pybus", "call", NAME, "set", *words) == []
        assert await friend.sees() == seen
        assert await listener.line() == f"chat.status {line}"
    await set_status(alice, "dnd", "in a meeting")
    assert await state(alice) == {
        "status": "dnd",
        "message": "in a meeting",
        "account": "alice@localhost",
        "connected": True,
        "wanted": "dnd",
        "error": "",
    }
    assert await command(people, "pybus", "get", "chat.message") == ["in a meeting"]


async def test_of_many_at_once_who_was_not_the_last_is_told_so(
    server: Prosody, file: Path, alice: pybus.aio.Bus
) -> None:
    """Two who want the same both have it."""
    write(file, server.account())
    wishes = ("available", "away", "dnd", "away")
    said = await asyncio.gather(*(set_status(alice, status) for status in wishes), return_exceptions=True)
    assert [one and str(one) for one in said] == [
        f"available was wanted, but something else was set meanwhile ({NOT_TOLD})",
        None,
        f"dnd was wanted, but something else was set meanwhile ({NOT_TOLD})",
        None,
    ]
    assert (await state(alice))["status"] == "away"


async def test_whoever_publishes_a_status_asks_for_it(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account())
    friend = await bob(people, server)
    await set_status(alice, "available", "at my desk")
    assert await friend.sees() == ["available", "", "at my desk"]
    await command(people, "pybus-send", "chat.status", "dnd")
    assert await friend.sees() == ["dnd", "dnd", ""]
    signals = await alice.subscribe("chat.#")
    await told(signals, "chat.status", "dnd")

    await command(people, "pybus-send", "chat.status", "busy", "--retain")  # which is no status
    assert [await next_of(signals, "chat.status") for _ in range(2)] == ["busy", "dnd"]
    await command(people, "pybus-send", "chat.status", "--clear")
    assert [await next_of(signals, "chat.status") for _ in range(2)] == [None, "dnd"]
    await command(people, "pybus-send", "chat.message", "not so", "--retain")
    assert [await next_of(signals, "chat.message") for _ in range(2)] == ["not so", ""]
    assert (await state(alice))["wanted"] == "dnd"

    await command(people, "pybus-send", "chat.status", "offline")
    assert await friend.sees() == GONE
    log = await alice.call("org.pybus.Bus", "service_log", NAME)
    assert "is no status; there are: available, away, dnd, offline" in log[-1]


async def test_it_answers_nobody_in_her_place(server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus) -> None:
    """What is written to her goes elsewhere, and carol's wish to see her is for her to grant."""
    write(file, server.account())
    friend = await bob(people, server)
    await set_status(alice, "available", "write to me")
    assert await friend.sees() == ["available", "", "write to me"]
    assert await friend.sees() == "service-unavailable"
    await set_status(alice, "dnd")
    assert await friend.sees() == ["dnd", "dnd", ""]
    assert len(server.logged("Sending[c2s]", "from='carol@localhost'", "type='subscribe'")) == 1
    assert server.logged("Received[c2s]", "subscribed'") == []


async def test_a_request_that_was_left_before_the_service_came(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account())
    friend = await bob(people, server)
    await command(people, "pybus-send", "chat.status", "away", "--retain")
    assert (await state(alice))["wanted"] == "away"
    assert await friend.sees() == ["away", "away", ""]


async def test_two_who_disagree_are_cut(daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    """Without an account the truth is offline, which carol does not take for an answer."""
    loops = await alice.subscribe("bus.loop")
    carol = await pybus.aio.connect(daemon.address, program="carol")

    async def insist(one: pybus.Signal) -> None:
        if one.body == "offline":
            await carol.publish("chat.status", "available")

    carol.on("chat.status", insist)
    async with asyncio.timeout(PATIENCE):
        chain = (await anext(loops)).body["chain"]
    assert sorted(link.split()[0] for link in chain) == ["carol", "pybus-presence"]
    with pytest.raises(pybus.LoopCut):
        await carol.close()
    assert (await state(alice))["status"] == "offline"


# --- the account ----------------------------------------------------------------------------------


async def test_without_an_account_it_says_how_to_make_one(file: Path, alice: pybus.aio.Bus) -> None:
    text = f"there is no chat account: write jid and password_command into {file}, then set a status"
    assert await alice.get("chat.error") == text  # which is there before the service has its name
    assert await alice.get("chat.status") == "offline"
    assert await refusal(alice, "available") == f"available is wanted, but {text}"
    await set_status(alice, "offline")  # which is so


async def test_a_file_that_others_can_read(server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus) -> None:
    write(file, server.account(), 0o644)
    problem = (
        f"{file}:2: password: others can read this file (its mode is 0644), and it holds a password: chmod 600 {file}"
    )
    assert await refusal(alice, "dnd") == f"dnd is wanted, but {problem}; then set a status again"
    assert server.logged("Client connected") == []
    friend = await bob(people, server)
    os.chmod(file, 0o600)
    await set_status(alice, "dnd")
    assert await friend.sees() == ["dnd", "dnd", ""]


async def test_the_password_from_a_command(server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus) -> None:
    keyring = file.with_name("keyring")
    command = f"{sys.executable} -c 'print(open(\"{keyring}\").read())'"
    write(file, server.account(password=None, password_command=command), 0o644)
    said = f"the password command {sys.executable} failed: exit code 1; it is tried again"
    assert await refusal(alice, "away") == f"away is wanted, but {said}"
    friend = await bob(people, server)
    keyring.write_text("alices secret\n")  # now it is open; nobody asks again
    assert await friend.sees() == ["away", "away", ""]
    log = await alice.call("org.pybus.Bus", "service_log", NAME)
    assert [line for line in log if "secret" in line] == []


async def test_a_wrong_password_is_not_tried_again_by_itself(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account(password="bobs secret"))
    signals = await alice.subscribe("chat.#")
    said = (
        f"the chat server 127.0.0.1:{server.port} refuses alice@localhost: "
        f"the password is wrong, or there is no such account; mend {file}, then set a status again"
    )
    assert await refusal(alice, "available") == f"available is wanted, but {said}"
    assert await refusal(alice, "dnd") == f"dnd is wanted, but {said}"
    await told(signals, "chat.error", said)
    assert len(server.logged("Client connected")) == 1
    friend = await bob(people, server)
    write(file, server.account())
    await set_status(alice, "dnd")
    assert await friend.sees() == ["dnd", "dnd", ""]
    await told(signals, "chat.status", "dnd")
    await told(signals, "chat.error", None)


# --- a server that comes and goes -----------------------------------------------------------------


async def test_a_server_that_is_down_at_the_start(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    server.kill()
    write(file, server.account())
    signals = await alice.subscribe("chat.#")
    text = f"the chat server 127.0.0.1:{server.port} can't be reached: Connection refused; it is tried again"
    said = await refusal(alice, "away", "coffee")
    assert said == f"away is wanted, but {text}"
    await told(signals, "chat.error", text)
    assert (await state(alice))["status"] == "offline"
    server.start()
    await told(signals, "chat.status", "away")
    await told(signals, "chat.error", None)
    friend = Program(await people.start(sys.executable, str(Path(__file__).with_name("chat_bob.py")), str(server.port)))
    assert await friend.line() == '["away", "away", "coffee"]'


async def test_a_server_that_is_killed_and_comes_back(
    server: Prosody, file: Path, alice: pybus.aio.Bus, people: Scene
) -> None:
    write(file, server.account())
    await set_status(alice, "dnd", "focus")
    signals = await alice.subscribe("chat.#")
    await told(signals, "chat.status", "dnd")
    server.kill()
    assert await next_of(signals, "chat.status") == "offline"
    assert (await next_of(signals, "chat.error")).endswith("; it is tried again")
    server.start()
    assert await next_of(signals, "chat.status") == "dnd"
    assert (await state(alice))["message"] == "focus"
    assert await next_of(signals, "chat.error") is None


async def test_another_login_in_its_place_is_not_fought(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account(jid="bob@localhost", password="bobs secret", resource="desk"))
    await set_status(alice, "dnd")
    signals = await alice.subscribe("chat.#")
    await bob(people, server)  # who logs in as bob@localhost/desk, too
    await told(signals, "chat.status", "offline")
    text = "another program has logged in as bob@localhost/desk; set a status to take its place"
    await told(signals, "chat.error", text)
    await set_status(alice, "away")


# --- encryption -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "direct"])
async def test_a_certificate_must_be_trusted(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus, tls: str
) -> None:
    port = server.tls_port if tls == "direct" else server.port
    write(file, server.account(tls=tls, port=port))
    said = await refusal(alice, "available")
    assert f"the certificate of the chat server 127.0.0.1:{port} is not trusted: self" in said
    assert f"signed certificate; ca in {file} may name your own; it is tried again" in said
    friend = await bob(people, server)
    write(file, server.account(tls=tls, port=port, ca=str(server.certificate)))
    await set_status(alice, "available")
    assert await friend.sees() == AVAILABLE


async def test_no_password_goes_out_without_encryption(server: Prosody, file: Path, alice: pybus.aio.Bus) -> None:
    write(file, server.account(jid="alice@bare.localhost", tls="starttls"))
    said = await refusal(alice, "available")
    text = "offers no encryption, without which no password is sent; it is tried again"
    assert said == f"available is wanted, but the chat server 127.0.0.1:{server.port} {text}"


# --- the screen -----------------------------------------------------------------------------------


async def test_away_while_the_screen_is_locked_if_asked(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account(away_when_locked=True))
    friend = await bob(people, server)
    await set_status(alice, "available", "at my desk")
    assert await friend.sees() == ["available", "", "at my desk"]
    await alice.publish("session.lock", "locked", ephemeral=True)
    assert await friend.sees() == ["away", "away", ""]
    await alice.publish("session.lock", "unlocked", ephemeral=True)
    assert await friend.sees() == ["available", "", "at my desk"]
    await alice.publish("session.lock", "locked", ephemeral=True)
    assert await friend.sees() == ["away", "away", ""]
    await set_status(alice, "dnd", "on the phone")
    assert await friend.sees() == ["dnd", "dnd", "on the phone"]
    await alice.publish("session.lock", "unlocked", ephemeral=True)
    await set_status(alice, "available")
    assert await friend.sees() == AVAILABLE  # and nothing came in between


# --- the program ----------------------------------------------------------------------------------


async def serving(people: Scene) -> Program:
    """The service by hand, once it serves."""
    command = (sys.executable, "-W", "error", "-m", "pybus_services.presence")
    program = Program(await people.start(*command))
    assert await program.line() == "pybus-presence: serving"
    return program


async def test_killed_it_comes_back_with_what_was_set(
    server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account())
    friend = await bob(people, server)
    await set_status(alice, "dnd", "focus")
    assert await friend.sees() == ["dnd", "dnd", "focus"]
    signals = await alice.subscribe("chat.status")
    await told(signals, "chat.status", "dnd")
    os.kill((await alice.call("org.pybus.Bus", "service", NAME))["pid"], signal.SIGKILL)
    assert await friend.sees() == GONE
    assert await friend.sees() == ["dnd", "dnd", "focus"]
    assert [await next_of(signals, "chat.status") for _ in range(3)] == [None, "offline", "dnd"]


async def test_a_bus_that_crashes_logs_nobody_off(
    server: Prosody, file: Path, daemon: BusDaemon, people: Scene, alice: pybus.aio.Bus
) -> None:
    write(file, server.account())
    friend = await bob(people, server)
    await serving(people)
    await set_status(alice, "dnd", "focus")
    assert await friend.sees() == ["dnd", "dnd", "focus"]
    daemon.configure(f"[services]\ndisabled = {SHIPPED}\n")  # or a second one may come before the first is back
    daemon.kill()
    daemon.restart()
    signals = await alice.subscribe("chat.#")
    missing = {("chat.status", "dnd"), ("chat.message", "focus")}  # kept ones come in any order
    async with asyncio.timeout(PATIENCE):
        async for one in signals:
            missing.discard((one.topic, one.body))
            if not missing:
                break
    await set_status(alice, "available")
    assert await friend.sees() == AVAILABLE  # and nothing came in between
    await alice.publish("chat.status", "away")
    assert await friend.sees() == ["away", "away", ""]


async def test_it_says_goodbye(server: Prosody, file: Path, people: Scene, alice: pybus.aio.Bus) -> None:
    write(file, server.account())
    friend = await bob(people, server)
    program = await serving(people)
    await set_status(alice, "available")
    assert await friend.sees() == AVAILABLE
    assert await program.end(signal.SIGTERM) == 0
    assert await friend.sees() == GONE
    assert await program.rest() == ["pybus-presence: the server knows alice@localhost as available"]
    server.wait_for(f"c2s stream for alice@localhost/{default_resource()} closed: session closed")


async def test_a_second_one_does_not_start(file: Path, people: Scene) -> None:
    write(file, 'jid = "alice@localhost"\npassword_command = "false"\n')
    first = await serving(people)
    second = Program(await people.start(sys.executable, "-m", "pybus_services.presence"))
    owner = f"pybus-presence [pybus_services.presence] (pid {first.process.pid})"
    text = f"pybus-presence: org.pybus.Presence is owned by {owner} (org.pybus.Error.NameTaken)"
    assert await second.rest() == [text]
    assert await second.process.wait() == 5


async def test_without_slixmpp_it_says_what_to_install(people: Scene, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['slixmpp'] = None\n")
    path = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '.')}"}
    program = Program(await people.start(sys.executable, "-m", "pybus_services.presence", environment=path))
    text = "pybus-presence: slixmpp is not installed; install it with: pip install 'pybus[chat]'"
    assert await program.rest() == [text]
    assert await program.process.wait() == 3
