"""A blocking service in a thread of its own, for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pybus
from tests.daemon import PATIENCE


class Quit(BaseException):
    """Ends the service from inside of a method."""


@contextmanager
def serving(address: str, name: str, service: object) -> Iterator[None]:
    """Offer an object under a name, from another thread's connection, until the block ends."""
    ready = threading.Event()

    def leave() -> None:
        raise Quit

    def run() -> None:
        with pybus.connect(address, program="service") as bus:
            bus.register(name, service)
            bus.register(f"{name}.Control", {"leave": leave})
            ready.set()
            try:
                bus.run(PATIENCE)
            except Quit:
                pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(PATIENCE), "the service never started"
        yield
    finally:
        with pybus.connect(address) as bus:
            bus.cast(f"{name}.Control", "leave")
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the service never ended"
