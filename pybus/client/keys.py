"""The keys of frames, checked once and remembered as bytes."""

from __future__ import annotations

from pybus.errors import InvalidName
from pybus.names import MAX_BYTES, check_destination, check_method, check_topic

REMEMBERED = 4096
"""Keys that are remembered; past it the memory starts anew."""


class Keys(dict[str, bytes]):
    """Topics, methods and routes that were used before, by their text. Look here first, then ask for it."""

    __slots__ = ()

    def topic(self, topic: str) -> bytes:
        """A topic's key. Raises `InvalidName`."""
        return self._remember(topic, check_topic(topic))

    def call(self, way: str, name: str, method: str) -> bytes:
        """The key of a call; way: the name, a blank and the method. Raises `InvalidName`."""
        check_destination(name)
        check_method(method)
        return self._remember(way, way)

    def route(self, way: str, exchange: str, key: str) -> bytes:
        """The key of a message; way: the exchange, a NUL and the routing key. Raises `InvalidName`."""
        for what, text in (("exchange", exchange), ("routing key", key)):
            if not isinstance(text, str):
                raise InvalidName(f"the {what} must be text, not {text!r}")
            try:
                size = len(text.encode())
            except UnicodeEncodeError:
                raise InvalidName(f"{what} {text!r} can't be written in UTF-8") from None
            if size > MAX_BYTES:
                raise InvalidName(f"{what} {text[:40]!r}... has {size} bytes, at most {MAX_BYTES} are allowed")
        if "\0" in exchange:
            raise InvalidName(f"exchange {exchange!r} holds a NUL")
        return self._remember(way, way)

    def _remember(self, way: str, text: str) -> bytes:
        if len(self) >= REMEMBERED:
            self.clear()
        key = self[way] = text.encode()
        return key
