"""Budgets against storms: how much one connection may send a second."""

from __future__ import annotations

from pybus.limits import Limits

_WINDOW = 0.5
"""Seconds, at the least, over which a rate is taken."""
_QUIET = 2.0


class Budget:
    """One connection's token buckets, one for messages and one for bytes.

    Each fills at its rate, which is `Limits.alone` times higher while nobody else sends, and holds
    `Limits.burst` seconds' worth. What a connection sends is taken out
    afterwards, so a bucket may be overdrawn by one read; then nothing is read until it is even again.
    It is cut down to what it holds after that, not before: who knows when in the time since the last
    reckoning it all came; a steady sender within its rate must never rest, however seldom it is reckoned.
    """

    __slots__ = ("_bytes", "_count", "_limits", "_messages", "_rates", "_since", "_size", "_window")

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._messages = limits.messages_per_second * limits.burst
        self._bytes = limits.bytes_per_second * limits.burst
        self._since = now
        self._window = now
        self._count = self._size = 0
        self._rates = (0.0, 0.0)

    def spend(self, messages: int, size: int, now: float, *, alone: bool = False) -> float:
        """So much came. Returns the seconds for which nothing more is to be read, mostly 0.

        alone: whether nobody else sent anything lately.
        """
        limits = self._limits
        elapsed = now - self._since
        self._since = now
        self._count += messages
        self._size += size
        if now - self._window >= _WINDOW:
            self._rates = (self._count / (now - self._window), self._size / (now - self._window))
            self._window = now
            self._count = self._size = 0
        times = limits.alone if alone else 1.0
        message_rate, byte_rate = limits.messages_per_second * times, limits.bytes_per_second * times
        self._messages = min(message_rate * limits.burst, self._messages + elapsed * message_rate - messages)
        self._bytes = min(byte_rate * limits.burst, self._bytes + elapsed * byte_rate - size)
        if self._messages >= 0 and self._bytes >= 0:
            return 0.0
        return max(-self._messages / message_rate, -self._bytes / byte_rate)

    def rates(self, now: float) -> tuple[float, float]:
        """Messages and bytes a second lately, at the least; 0 if little came for two seconds.

        The window that has not ended yet counts as if it had, so that a storm shows from its first moment.
        """
        if now - self._since >= _QUIET:
            return (0.0, 0.0)
        messages, size = self._rates
        elapsed = max(now - self._window, min(_WINDOW, self._limits.burst))
        return (max(messages, self._count / elapsed), max(size, self._size / elapsed))

    def change(self, limits: Limits) -> None:
        """Other limits hold from now on."""
        self._limits = limits
