"""The values that the bus keeps for this program, and which of them a new connection has to publish again."""

from __future__ import annotations

from pybus.protocol.frames import CLEAR, EPHEMERAL, RETAIN, SIGNAL, frame, key_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Kept:
    """The program's last word on each topic that has a retained value of it."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[bytes, tuple[int, int, int, bytes]] = {}

    def put(self, key: bytes, serial: int, flags: int, target: int, body: bytes) -> None:
        """A value is published. serial: the signal's."""
        self._values[key] = serial, flags, target, body

    def clear(self, key: bytes) -> None:
        """The topic is to have no value any more."""
        self._values.pop(key, None)

    def refused(self, key: bytes, serial: int) -> None:
        """The bus did not take this signal. An older one's refusal says nothing of the value that came after it."""
        value = self._values.get(key)
        if value is not None and value[0] == serial:
            del self._values[key]

    def again(
        self, waiting: list[bytes], number: int, next_serial: Callable[[], int], *, same_bus: bool
    ) -> tuple[list[bytes], list[bytes]]:
        """What to publish before the frames that wait for the new connection, and what after them.

        Another bus gets all values and the same one those that were ephemeral, unless a newer frame of the
        topic waits. A value that is newer than what waits comes last: its own frame was lost, as it was to be
        confirmed.
        """
        last = {key_of(one): int.from_bytes(one[16:20], "little") for one in waiting if _keeps(one)}
        before: list[bytes] = []
        after: list[bytes] = []
        for key, (serial, flags, target, body) in self._values.items():
            if last.get(key) == serial or (key not in last and same_bus and target != EPHEMERAL):
                continue
            new = next_serial()
            self._values[key] = new, flags, target, body
            (after if key in last else before).append(frame(SIGNAL, flags, number, target, new, key, body))
        return before, after


def _keeps(data: bytes) -> bool:
    """Whether a frame changes what is kept for its topic."""
    return data[4] == SIGNAL and bool(data[5] & (RETAIN | CLEAR))
