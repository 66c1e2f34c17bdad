"""The daemon's event loop: epoll and a few timers, nothing else.

The daemon needs only readiness of sockets and at most a handful of timers, so it sits on
`select.epoll` itself. Beside asyncio's loop that saves 9 MB of memory, half the start, and some
microseconds of each round trip; and with nothing to do it sleeps without a time limit.
"""

import heapq
import select
import time
from collections.abc import Callable
from itertools import count

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
_EVENTS_A_ROUND = 64
_LONGEST_SLEEP = 3600.0
_ENDED = select.EPOLLHUP | select.EPOLLERR


class Timer:
    """A call that will be made once; `cancel` prevents it."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Don't call any more. Has no effect after the call."""
        self.action = None


class Loop:
    """Calls handlers for descriptors that are ready and timers that are due, in one thread.

    Handlers are level-triggered and each gets one turn a round, so that none starves another.
    running: whether `run` goes on.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._forgotten: set[int] = set()
        self._timers: list[tuple[float, int, Timer]] = []
        self._soon: list[Callable[[], None]] = []
        self._order = count()
        self._crowded = 64
        self.running = True

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call `handler(events)` whenever the descriptor is ready for READ or WRITE, or has ended."""
        self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def change(self, fd: int, events: int) -> None:
        """Watch for other events from now on; 0 leaves the end of the connection only."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor; must come before it is closed."""
        self._epoll.unregister(fd)
        del self._handlers[fd]
        self._forgotten.add(fd)

    def at(self, when: float, action: Callable[[], None]) -> Timer:
        """Call once at a monotonic time, seconds."""
        timer = Timer(action)
        if len(self._timers) >= self._crowded:
            self._timers[:] = [entry for entry in self._timers if entry[2].action is not None]
            heapq.heapify(self._timers)
            self._crowded = max(64, 2 * len(self._timers))
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def after(self, seconds: float, action: Callable[[], None]) -> Timer:
        """Call once after some seconds."""
        return self.at(time.monotonic() + seconds, action)

    def soon(self, action: Callable[[], None]) -> None:
        """Call once in the next round, after all descriptors that are ready by then had their turn."""
        self._soon.append(action)

    def stop(self) -> None:
        """Let `run` return when the round is over."""
        self.running = False

    def run(self) -> None:
        """Run until `stop`. What a handler raises passes out."""
        poll = self._epoll.poll
        handlers = self._handlers
        forgotten = self._forgotten
        timers = self._timers
        now = time.monotonic
        while self.running:
            if forgotten:
                forgotten.clear()
            soon = self._soon
            if soon:
                self._soon = []
            for fd, events in poll(0 if soon else self._timeout() if timers else -1, _EVENTS_A_ROUND):
                # A handler before it in this round may have forgotten it; its number may even be that of
                # another descriptor by now, whose own events come in the next round.
                if fd not in forgotten:
                    handlers[fd](events)
            if soon:
                for action in soon:
                    action()
            if timers and timers[0][0] <= now():
                self._run_timers()

    def close(self) -> None:
        """Release the epoll descriptor."""
        self._epoll.close()

    def _timeout(self) -> float:
        """Seconds until the next timer, at most an hour (epoll takes no more than 24 days); -1 if there is none."""
        timers = self._timers
        while timers and timers[0][2].action is None:
            heapq.heappop(timers)
        if not timers:
            return -1
        rest = timers[0][0] - time.monotonic()
        return 0 if rest < 0 else rest if rest < _LONGEST_SLEEP else _LONGEST_SLEEP

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, timer = heapq.heappop(self._timers)
            action, timer.action = timer.action, None
            if action is not None:
                action()


def ended(events: int) -> bool:
    """Whether events say that the other side has closed, or the socket failed."""
    return bool(events & _ENDED)
