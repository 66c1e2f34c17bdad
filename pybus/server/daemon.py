"""The daemon: everything a `pybus daemon` process consists of, from start to exit."""

import faulthandler
import gc
import os
import secrets
import signal
import time
from collections.abc import Callable

from pybus import __version__
from pybus.broker.broker import Broker
from pybus.limits import Limits
from pybus.plain import form
from pybus.server.config import load_config
from pybus.server.listener import Listener
from pybus.server.log import LEVELS, WARNING, Log
from pybus.server.loop import READ, Loop
from pybus.server.queue_store import QueueStore, store_path
from pybus.server.server import Server, raise_descriptor_limit
from pybus.server.service_files import load_services, service_folders
from pybus.server.supervisor import Supervisor
from pybus.server.systemd import Systemd
from pybus.tables import ConfigError

_GARBAGE = (10_000, 10, 100)
"""When Python looks for garbage that refers to itself: seldom among all there is, as with 300 000 messages in queues
that stops the bus for 100 ms each time. The bus leaves little of it, a dozen small objects for each connection."""


def run_daemon(
    path: str,
    *,
    limits: Limits | None = None,
    allow_root: bool = False,
    announce: Callable[[], None] | None = None,
) -> None:
    """Run a bus on the socket at `path`, or on the one that systemd passed, until SIGTERM or SIGINT.

    Main thread only. allow_root: admit root as well as the own user. announce: called once, when the
    bus listens. Raises `AlreadyRunning` or `AddressError` if it can't listen.
    """
    uids = frozenset({os.getuid(), 0} if allow_root else {os.getuid()})
    gc.set_threshold(*_GARBAGE)
    Daemon(path, limits, uids).run(announce)


class Daemon:
    """A bus in this process: its parts, and what signals and systemd may ask of it.

    on_signal: what is done in the loop when a signal comes; add to it by `watch_signal`.
    """

    def __init__(self, path: str, limits: Limits | None, uids: frozenset[int]) -> None:
        faulthandler.enable()  # a hang that the watchdog ends, or a crash in C, shows where
        self.systemd = Systemd()
        usual_descriptors, self.descriptors = raise_descriptor_limit()
        self.loop = Loop()
        self.log = Log(self.loop)
        self.listener = Listener(path, self.systemd.sockets)
        self.store = QueueStore(store_path(os.environ))
        self.broker = self._recover(limits or Limits())
        self.supervisor = Supervisor(self.loop, self.log, self.broker, self.listener.path, usual_descriptors)
        self.server = Server(self.loop, self.log, self.listener, self.broker, self.supervisor, self.store, uids)
        self._given_limits = limits
        self._folders: tuple[str, ...] = ()
        self._disabled: tuple[str, ...] = ()
        self._has_mistakes = False
        self.on_signal: dict[int, Callable[[], None]] = {}
        self._terminal = os.isatty(2)
        self._receive_signals()

    def _recover(self, limits: Limits) -> Broker:
        """A broker with the queues that are on disk."""
        while True:
            broker = Broker(
                limits, secrets.token_hex(16), __version__, time.monotonic(), wall_time=time.time, store=self.store
            )
            if self.store.recover(broker.queueing, self.log):
                return broker

    def run(self, announce: Callable[[], None] | None = None) -> None:
        """Run until stopped."""
        self.watch_signal(signal.SIGTERM, lambda: self.stop("SIGTERM"))
        self.watch_signal(signal.SIGINT, lambda: self.stop("SIGINT"))
        self.watch_signal(signal.SIGHUP, self._hung_up)
        self.watch_signal(signal.SIGCHLD, self.supervisor.reap)
        self._configure()
        self.log.info(
            f"pybus {__version__} listens on unix:{self.listener.path}"
            f" (pid {os.getpid()}, {self.descriptors} descriptors, {form()})"
        )
        self._ready()
        if self.systemd.watchdog:
            self._keep_watchdog_quiet()
        if announce is not None:
            announce()
        self.loop.run()
        self.broker.queueing.disk.end()
        self.server.save_queues()
        self.server.committer.close(self.broker.limits.farewell)
        self.store.close()
        self.supervisor.close()
        self.server.endings.close()
        self.log.close()
        self.listener.close()

    def stop(self, reason: str) -> None:
        """Stop in order. reason: for the log."""
        self.systemd.notify("STOPPING=1", f"STATUS=stopping: {reason}")
        self.server.stop(reason)

    def reload(self) -> None:
        """Read again what can change while the bus runs, and tell systemd (sd_notify(3)). A bus that stops does not."""
        if self.server.stopping:
            return
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.systemd.notify("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")
        self.log.info("reloading: SIGHUP")
        self._configure()
        if self._has_mistakes:
            self.log.write(WARNING, "kept the old configuration; the service files are read again")
        else:
            self.log.info("reloaded the configuration and the service files")
        self._ready()

    def _configure(self) -> None:
        """Read the configuration and the service files. What has mistakes is named, and the old stays in force."""
        try:
            config = load_config()
        except ConfigError as error:
            self._has_mistakes = True
            for problem in error.problems:
                self.log.write(WARNING, f"the configuration is not used: {problem}")
        else:
            self._has_mistakes = False
            self.log.level = LEVELS[config.log_level]
            self._folders, self._disabled = config.folders, config.disabled
            self.broker.use(self._given_limits or config.limits)
        services, problems = load_services(service_folders(self._folders))
        for problem in problems:
            self.log.write(WARNING, problem)
        allowed = {name: service for name, service in services.items() if name not in self._disabled}
        self.broker.offer(allowed, time.monotonic())
        self.server.flush()

    def watch_signal(self, number: int, action: Callable[[], None]) -> None:
        """Call `action` from within the loop, where no handler is half-way through, when the signal comes."""
        self.on_signal[number] = action
        signal.signal(number, lambda *_: None)

    def _receive_signals(self) -> None:
        reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

        def arrived(_events: int) -> None:
            for number in os.read(reading, 64):
                if number in self.on_signal:
                    self.on_signal[number]()

        self.loop.watch(reading, READ, arrived)

    def _hung_up(self) -> None:
        """SIGHUP asks for a reload, but from the kernel it says that our terminal has been closed."""
        if self._terminal and not os.isatty(2):
            self.stop("the terminal was closed")
        else:
            self.reload()

    def _ready(self) -> None:
        doubt = "; the configuration has mistakes, see the log" if self._has_mistakes else ""
        self.systemd.notify("READY=1", f"STATUS=listening on unix:{self.listener.path}{doubt}")

    def _keep_watchdog_quiet(self) -> None:
        """Ping at twice the wanted rate, from the loop itself, so that a loop that hangs is noticed."""
        self.systemd.notify("WATCHDOG=1", patience=0)
        self.loop.after(self.systemd.watchdog / 2, self._keep_watchdog_quiet)
