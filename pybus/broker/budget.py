"""Budgets against storms: how much one connection may send a second."""

from __future__ import annotations

from pybus.limits import Limits


class Budget:
    """One connection's token buckets, one for messages and one for bytes.

    Each fills at its rate and holds `Limits.burst` seconds' worth. What a connection sends is taken out
    afterwards, so a bucket may be overdrawn by one read; then nothing is read until it is even again.
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

    def spend(self, messages: int, size: int, now: float) -> float:
        """So much came. Returns the seconds for which nothing more is to be read, mostly 0."""
        limits = self._limits
        elapsed = now - self._since
        self._since = now
        self._count += messages
        self._size += size
        if now - self._window >= 0.5:
            self._rates = (self._count / (now - self._window), self._size / (now - self._window))
            self._window = now
            self._count = self._size = 0
        most = limits.messages_per_second * limits.burst
        self._messages = min(most, self._messages + elapsed * limits.messages_per_second) - messages
        most = limits.bytes_per_second * limits.burst
        self._bytes = min(most, self._bytes + elapsed * limits.bytes_per_second) - size
        if self._messages >= 0 and self._bytes >= 0:
            return 0.0
        return max(-self._messages / limits.messages_per_second, -self._bytes / limits.bytes_per_second)

    def rates(self, now: float) -> tuple[float, float]:
        """Messages and bytes a second lately; 0 if little came for two seconds."""
        return self._rates if now - self._since < 2.0 else (0.0, 0.0)

    def change(self, limits: Limits) -> None:
        """Other limits hold from now on."""
        self._limits = limits
