"""A session on a real socket that notes how much is read at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pybus.limits import Limits
from pybus.protocol.frames import PREAMBLE, RAW, SIGNAL, FrameReader, frame
from pybus.protocol.handshake import Welcome, greeting
from pybus.server.credentials import look_up
from pybus.server.listener import Listener
from pybus.server.log import Log
from pybus.server.loop import Loop
from pybus.server.queue_store import QueueStore
from pybus.server.server import Server
from pybus.server.session import Session
from pybus.server.supervisor import Supervisor
from tests.broker.scene import Scene
from tests.daemon import PATIENCE

USUAL = 64 * 1024
LARGE = b"." * USUAL


class NotingSocket(socket.socket):
    """reads: how much each read asked for, and how much it got."""

    def __init__(self, taken: socket.socket) -> None:
        super().__init__(fileno=taken.detach())
        self.setblocking(False)
        self.reads: list[tuple[int, int]] = []

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        self.reads.append((size, len(data)))
        return data


class Bus:
    """A server without its command, and alice's connection to it, whose other end is `noting`."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.loop = Loop()
        broker = Scene(limits).broker
        log = Log(self.loop)
        self.listener = Listener(str(path / "bus"))
        supervisor = Supervisor(self.loop, log, broker, self.listener.path, 1024)
        store = QueueStore(str(path / "queues"))
        self.server = Server(self.loop, log, self.listener, broker, supervisor, store, frozenset({os.getuid()}))
        self.alice, theirs = socket.socketpair()
        self.alice.settimeout(PATIENCE)
        self.noting = NotingSocket(theirs)
        Session(self.server, self.noting, look_up(os.getpid(), os.getuid()))
        self.alice.sendall(greeting("alice"))
        self.turn()
        (welcome,) = FrameReader(limits.frame).feed(self.alice.recv(4096)[len(PREAMBLE) :])
        self.number = Welcome(welcome).number
        self.noting.reads.clear()

    def turn(self) -> None:
        """One round of the loop."""
        self.loop.soon(self.loop.stop)
        self.loop.running = True
        self.loop.run()

    def say(self, data: bytes) -> list[tuple[int, int]]:
        """Alice says something; how it is read until all of it has come."""
        self.noting.reads.clear()
        self.alice.sendall(data)
        while sum(got for _, got in self.noting.reads) < len(data):
            self.turn()
        return self.noting.reads[:]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    running = Bus(tmp_path, Limits())
    yield running
    running.alice.close()
    running.turn()
    running.server.supervisor.close()
    running.server.committer.close(PATIENCE)
    running.server.endings.close()
    running.listener.close()
    running.loop.close()


def test_a_large_frame_is_read_in_one_piece_once_its_length_is_known(bus: Bus) -> None:
    large = frame(SIGNAL, RAW, bus.number, 0, 0, b"film", LARGE)
    small = frame(SIGNAL, RAW, bus.number, 0, 0, b"film", b".")

    first = bus.say(large)
    assert first == [(1000, 1000), (len(large) - 1000, len(large) - 1000)]
    for _ in range(5):  # each is as much as the budget is looked at for
        assert bus.say(large) == [(len(large), len(large))]
    assert bus.say(small) == [(len(large), len(small))]
    assert bus.say(small) == [(1000, len(small))]
