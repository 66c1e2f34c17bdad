"""`hal.net.NAME.link` and the kernel's own interfaces, in a network namespace that the test enters."""

import asyncio
import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Mapping

import pytest

from pybus_services.hal.link import Links
from tests.descriptors import descriptors

from .hal_scene import PATIENCE, needs, needs_root, scene

pytest.importorskip("pyroute2")
pytestmark = [needs_root, needs("ip", "unshare")]

CLONE_NEWNET = 0x40000000


@pytest.fixture(autouse=True)
def private_net() -> Iterator[None]:
    """This thread, and what it starts, is in a network namespace of its own, with a loopback only."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as former:
        if libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        yield
        assert libc.setns(former.fileno(), CLONE_NEWNET) == 0


def ip(*words: str | bytes) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def several(*commands: str) -> None:
    """Many in one process, which is faster."""
    subprocess.run(["ip", "-batch", "-"], check=True, capture_output=True, input="\n".join(commands).encode())


def add_pair(name: str | bytes, peer: str) -> None:
    """Two ends of a cable, both set down: an end has a carrier while both are up."""
    ip("link", "add", name, "type", "veth", "peer", "name", peer)


class Watcher:
    """Looks at the links when it is told that they may differ."""

    def __init__(self, links: Links) -> None:
        self.links = links
        self.told: list[dict[str, object]] = []
        self._called = asyncio.Event()

    def changed(self) -> None:
        self.told.append(self.links.values())
        self._called.set()

    async def see(self, expected: dict[str, str]) -> None:
        """Wait until the links are these."""
        async with asyncio.timeout(PATIENCE):
            while self.links.values() != expected:
                self._called.clear()
                await self._called.wait()


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[Watcher]:
    links = Links()
    watcher = Watcher(links)
    try:
        await links.open(watcher.changed)
        yield watcher
    finally:
        links.close()


def link_topics(**states: str) -> dict[str, str]:
    return {f"hal.net.{name}.link": state for name, state in states.items()}


async def test_what_is_there_at_the_start_is_known_when_it_is_open() -> None:
    add_pair("pbv0", "pbv1")
    several("link set pbv0 up", "link set pbv1 up", "link add pbx type bridge")
    async with watching() as watcher:
        assert watcher.links.values() == link_topics(pbv0="up", pbv1="up", pbx="down")
        assert watcher.told == []


async def test_a_carrier_comes_and_goes() -> None:
    add_pair("pbv0", "pbv1")
    async with watching() as watcher:
        assert watcher.links.values() == link_topics(pbv0="down", pbv1="down")
        for _ in range(3):
            several("link set pbv0 up", "link set pbv1 up")
            await watcher.see(link_topics(pbv0="up", pbv1="up"))
            ip("link", "set", "pbv1", "down")
            await watcher.see(link_topics(pbv0="down", pbv1="down"))


async def test_interfaces_come_are_renamed_and_go() -> None:
    async with watching() as watcher:
        assert watcher.links.values() == {}
        add_pair("pbv0", "pbv1")
        await watcher.see(link_topics(pbv0="down", pbv1="down"))
        ip("link", "set", "pbv0", "name", "lan0")
        await watcher.see(link_topics(lan0="down", pbv1="down"))
        ip("link", "delete", "lan0")
        await watcher.see({})


async def test_an_interface_that_moves_to_another_namespace_is_gone() -> None:
    add_pair("pbv0", "pbv1")
    async with watching() as watcher:
        other = await asyncio.create_subprocess_exec(
            "unshare", "--net", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"!")
        await other.stdout.readexactly(1)  # it is in its namespace now
        ip("link", "set", "pbv0", "netns", str(other.pid))
        await watcher.see(link_topics(pbv1="down"))
        await other.communicate(b"")  # closes its input


async def test_what_changes_no_link_is_not_told() -> None:
    """More messages than are read in one go say something else; then comes one about a link."""
    add_pair("pbv0", "pbv1")
    async with watching() as watcher:
        several(*(f"link set pbv0 mtu {1400 + n}" for n in range(40)), "link set pbv0 up", "link set pbv1 up")
        await watcher.see(link_topics(pbv0="up", pbv1="up"))
        told = [link_topics(pbv0="down", pbv1="down"), *watcher.told]
        assert all(former != later for former, later in itertools.pairwise(told))


async def test_a_name_that_is_not_text_does_no_harm() -> None:
    async with watching() as watcher:
        add_pair(b"pb\xffx", "eth0.10")
        await watcher.see({"hal.net.pb\\xffx.link": "down", "hal.net.eth0_10.link": "down"})


async def test_a_burst_is_told_a_few_times_only() -> None:
    """Fifty interfaces, a hundred messages and more, which are all there when the loop gets to read."""
    pairs = range(25)
    async with watching() as watcher:
        several(*(f"link add a{n} type veth peer name b{n}" for n in pairs))
        several(*(f"link set {end}{n} up" for n in pairs for end in "ab"))
        await watcher.see(link_topics(**{f"{end}{n}": "up" for n in pairs for end in "ab"}))
        assert 1 <= len(watcher.told) <= 20
    async with watching() as watcher:
        assert watcher.links.values() == link_topics(**{f"{end}{n}": "up" for n in pairs for end in "ab"})


# --- overflow -------------------------------------------------------------------------------------


async def test_what_an_overflow_lost_is_read_again() -> None:
    """The messages of all that happens after the first few are lost, and nothing happens afterwards."""
    pairs = range(25)
    several(*(f"link add a{n} type veth peer name b{n}" for n in pairs))
    several("link add last type veth peer name first")
    before = descriptors()
    async with watching() as watcher:
        [(descriptor, _)] = descriptors() - before
        with socket.socket(fileno=os.dup(descriptor)) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        for _ in range(3):
            several(*(f"link set {end}{n} {state}" for state in ("up", "down", "up") for n in pairs for end in "ab"))
            await watcher.see(
                link_topics(last="down", first="down", **{f"{end}{n}": "up" for n in pairs for end in "ab"})
            )
            several(*(f"link set {end}{n} down" for n in pairs for end in "ab"))
            await watcher.see(
                link_topics(last="down", first="down", **{f"{end}{n}": "down" for n in pairs for end in "ab"})
            )
        several(*(f"link delete a{n}" for n in pairs), "link delete last")
        await watcher.see({})
        add_pair("pbv0", "pbv1")
        await watcher.see(link_topics(pbv0="down", pbv1="down"))


# --- rest and end ---------------------------------------------------------------------------------


async def test_closing_leaves_nothing() -> None:
    before, others = descriptors(), (threading.active_count(), asyncio.all_tasks())
    for _ in range(3):
        async with watching():
            add_pair("pbv0", "pbv1")
            ip("link", "delete", "pbv0")
    assert (threading.active_count(), asyncio.all_tasks()) == others
    assert descriptors() <= before


async def test_closing_what_was_never_opened_does_nothing() -> None:
    links = Links()
    links.close()
    assert links.values() == {}


# --- through the daemon ---------------------------------------------------------------------------


async def test_a_listener_hears_of_a_cable(bus_env: Mapping[str, str]) -> None:
    """Plugged in at the start, pulled, plugged in, pulled; then the interface goes."""
    add_pair("pbv0", "pbv1")
    several("link set pbv0 up", "link set pbv1 up")
    topic = "hal.net.pbv0.link"
    async with scene(bus_env) as people:
        await people.service("--source", "kernel")
        listener = await people.listener()
        assert await listener.hear(topic) == [topic, "up", True, False]
        for state in ("down", "up", "down"):
            ip("link", "set", "pbv1", state)
            assert await listener.hear(topic) == [topic, state, False, False]
        ip("link", "delete", "pbv0")
        assert await listener.hear(topic) == [topic, None, False, True]
