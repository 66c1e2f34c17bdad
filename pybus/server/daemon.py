"""The daemon: everything a `pybus daemon` process consists of, from start to exit."""

import os
import secrets
import signal
import time
from collections.abc import Callable

from pybus import __version__
from pybus.broker.broker import Broker
from pybus.limits import Limits
from pybus.server.listener import Listener
from pybus.server.log import Log
from pybus.server.loop import READ, Loop
from pybus.server.server import Server, raise_descriptor_limit


def run_daemon(
    path: str,
    *,
    limits: Limits | None = None,
    allow_root: bool = False,
    announce: Callable[[], None] | None = None,
) -> None:
    """Run a bus on the socket at `path` until SIGTERM or SIGINT. Main thread only.

    allow_root: admit root as well as the own user. announce: called once, when the bus listens.
    Raises `AlreadyRunning` or `AddressError` if it can't listen.
    """
    limits = limits if limits is not None else Limits()
    descriptors = raise_descriptor_limit()
    loop = Loop()
    log = Log(loop)
    listener = Listener(path)
    broker = Broker(limits, secrets.token_hex(16), __version__, time.monotonic())
    uids = frozenset({os.getuid(), 0} if allow_root else {os.getuid()})
    server = Server(loop, log, listener, broker, uids)
    _watch_signals(loop, server)
    log.info(f"pybus {__version__} listens on unix:{path} (pid {os.getpid()}, {descriptors} descriptors)")
    if announce is not None:
        announce()
    loop.run()
    log.close()
    listener.close()


def _watch_signals(loop: Loop, server: Server) -> None:
    """Let SIGTERM and SIGINT stop the server from within the loop, where no handler is half-way through."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def arrived(_events: int) -> None:
        for number in os.read(reading, 64):
            if number in (signal.SIGTERM, signal.SIGINT):
                server.stop(signal.Signals(number).name)

    loop.watch(reading, READ, arrived)
