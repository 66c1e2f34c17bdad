"""Frames on their way out: whole until they are written, so that none is lost or cut by a reconnect."""

from __future__ import annotations

from pybus.protocol.frames import CONFIRM, PUBLISH, SIGNAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
else:
    from _collections import deque  # all that collections has beside it takes time to load

_AT_ONCE = 256 * 1024
"""About the bytes of one write; a socket takes no more."""


class Output:
    """Frames that wait to be written. waiting: the number of their unwritten bytes."""

    __slots__ = ("_begun", "_frames", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self._frames: deque[bytes] = deque()
        self._begun = 0

    def put(self, data: bytes) -> None:
        """Let one frame wait."""
        self._frames.append(data)
        self.waiting += len(data)

    def unwritten(self) -> bytes:
        """The bytes to write next. The face says by `wrote` how many of them it has written."""
        if self.waiting <= _AT_ONCE:
            data = b"".join(self._frames)
        else:
            parts: list[bytes] = []
            size = 0
            for one in self._frames:
                parts.append(one)
                size += len(one)
                if size > _AT_ONCE:
                    break
            data = b"".join(parts)
        return data[self._begun :] if self._begun else data

    def wrote(self, size: int) -> None:
        """So many of the unwritten bytes are written. A frame that is only begun is kept whole."""
        self.waiting -= size
        if not self.waiting:
            self._frames.clear()
            self._begun = 0
            return
        self._begun += size
        while self._begun >= len(self._frames[0]):
            self._begun -= len(self._frames.popleft())

    def take_back(self) -> None:
        """Forget the frame that was put last, if none of it has been written."""
        if len(self._frames) > 1 or (self._frames and not self._begun):
            self.waiting -= len(self._frames.pop())

    def keep_signals(self) -> None:
        """The connection has ended: signals and messages wait for the next one, whatever was to be answered is void."""
        self._frames = deque(one for one in self._frames if one[4] in (SIGNAL, PUBLISH) and not one[5] & CONFIRM)
        self._begun = 0
        self.waiting = sum(map(len, self._frames))

    def take_all(self) -> list[bytes]:
        """All frames, taken out; none of them has been begun."""
        frames = list(self._frames)
        self._frames.clear()
        self.waiting = 0
        return frames
