"""A signal on pybus as what Message says, which is turned into bytes once for all who get it: that may take long."""

import functools
from weakref import WeakValueDictionary

import pybus

from ..values import Typed
from ..writing import append_map, encode, marshal

SIGNATURE = "svsa{sv}"


class Message:
    """What all subscribers get alike. Made by `message_of`."""

    def __init__(self, signal: pybus.Signal) -> None:
        self.signal = signal

    def body_for(self, number: int) -> bytes:
        """The values of the Message to the subscription of this number, marshalled."""
        values, info = self._shared
        return append_map(values, marshal("a{sv}", encode("a{sv}", [{"id": Typed("u", number), **info}], exact=True)))

    @functools.cached_property
    def _shared(self) -> tuple[bytes, dict[str, object]]:
        """The first values, marshalled, and what all get in info."""
        signal = self.signal
        info: dict[str, object] = {mark: True for mark in ("retained", "cleared") if getattr(signal, mark)}
        body = signal.body
        if isinstance(body, pybus.Undecodable):
            info["raw"], body = True, bytes(body)
        try:
            return self._marshal(body), info
        except ValueError as error:  # nothing is lost without a word
            return self._marshal(None), {**info, "unsayable": str(error).replace("argument 2", "the body")}

    def _marshal(self, body: object) -> bytes:
        return marshal("svs", encode("svs", [self.signal.topic, body, self.signal.sender], exact=True))


_messages: WeakValueDictionary[int, Message] = WeakValueDictionary()
"""Those that wait for somebody, by the identity of their signals, which they keep alive."""


def message_of(signal: pybus.Signal) -> Message:
    """The message of a signal: the same one for as long as it waits for anybody."""
    message = _messages.get(id(signal))
    if message is None:
        message = _messages[id(signal)] = Message(signal)
    return message
