"""Frames to bytes and bytes to runs of frames.

The reader's unit is the *run*: neighbouring frames that are signals from one sender to one topic,
handed on as a single slice of the received bytes, with their number. Whoever forwards them copies
and looks up once a run; whoever reads them finds the receivers once a run. Messages to and from queues
make runs in the same way. Any other frame is a run of one. On a stream of 64-byte signals to one topic
this costs 0.3 us a frame in plain Python.
"""

from __future__ import annotations

from struct import Struct

from pybus.errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    import cython
else:
    from pybus import plain as cython

PREAMBLE = b"PYBUS\x00\x00\x01"
HEADER_SIZE = 20
BUS = 0
"""The bus's own number, as sender or target."""

SEVERAL = 0
"""No frame's kind: that of a run of plain signals to several topics that go the same way."""

HELLO = 1
WELCOME = 2
SIGNAL = 3
CALL = 4
ANSWER = 5
ERROR = 6
MISSED = 7
PEER = 8
BYE = 9
PUBLISH = 10
DELIVER = 11
SETTLE = 12
CONFIRMED = 13
RETURN = 14

RAW = 1
RETAIN = 2
RETAINED = 4
CLEAR = 8
CONFIRM = 16
NO_REPLY = 32
CAUSED = 64
ON_CHANGE = 128

PERSISTENT = 2
REDELIVERED = 4
MANDATORY = 8
NACK = 2
REQUEUE = 4
MULTIPLE = 8
UNTAKEN = 16

EPHEMERAL = 1
"""In the target of a SIGNAL with RETAIN: the value is forgotten when its publisher's connection ends."""

_DEPTH_SHIFT = 26
MAX_CAUSED_TIME = (1 << _DEPTH_SHIFT) - 1
"""Milliseconds that a call with CAUSED can allow, as its depth shares the field; 18 hours."""
MAX_DEPTH = 63

_GROWTH = 4096
_LARGE = 16 * 1024
"""Bytes of a frame for which a read of its own is cheaper than copying it."""
_FEW_PARTS = 64
_SMALL_PART = 1024
"""Bytes that the parts of an unfinished frame have on average, at the least, if there are more than a few."""

FLAGS = {
    HELLO: 0,
    WELCOME: 0,
    SIGNAL: RAW | RETAIN | RETAINED | CLEAR | CONFIRM | CAUSED | ON_CHANGE,
    CALL: NO_REPLY | CAUSED,
    ANSWER: RAW,
    ERROR: 0,
    MISSED: 0,
    PEER: 0,
    BYE: 0,
    PUBLISH: RAW | PERSISTENT | MANDATORY | CONFIRM | CAUSED,
    DELIVER: RAW | PERSISTENT | REDELIVERED | CAUSED,
    SETTLE: NACK | REQUEUE | MULTIPLE | UNTAKEN,
    CONFIRMED: NACK | MULTIPLE,
    RETURN: RAW | PERSISTENT | MANDATORY | CONFIRM | CAUSED,
}
"""Which flags each kind may have; a kind that is not here is unknown."""

Run = tuple[int, int, int, int, int, bytes, bytes, int]
"""kind, flags, sender, target, serial (of the last frame), key, the frames' bytes, their number."""

_pack = Struct("<IBBHIII").pack
_peek = Struct("<IQII").unpack_from
_peek_length = Struct("<I").unpack_from


def frame(kind: int, flags: int, sender: int, target: int, serial: int, key: bytes = b"", body: bytes = b"") -> bytes:
    """One frame's bytes. Arguments must fit their fields (`struct.error` otherwise)."""
    return _pack(HEADER_SIZE + len(key) + len(body), kind, flags, len(key), sender, target, serial) + key + body


def with_sender(data: bytes, sender: int) -> bytes:
    """A frame's bytes with another sender's number."""
    return data[:8] + sender.to_bytes(4, "little") + data[12:]


def sender_of(data: bytes) -> int:
    """The sender's number in a frame's bytes."""
    return int.from_bytes(data[8:12], "little")


def caused_target(depth: int, lower: int = 0) -> int:
    """The target of a SIGNAL or CALL with CAUSED: its depth, and in the lower bits what it says without.

    lower: for a call the time allowed, milliseconds; for a signal EPHEMERAL or 0.
    """
    return min(depth, MAX_DEPTH) << _DEPTH_SHIFT | min(lower, MAX_CAUSED_TIME)


def depth_of(target: int) -> int:
    """The depth in the target of a frame with CAUSED."""
    return target >> _DEPTH_SHIFT


def allowed_time(target: int) -> int:
    """The milliseconds allowed in the target of a CALL with CAUSED."""
    return target & MAX_CAUSED_TIME


def message_target(target: int, properties: int) -> int:
    """The target of a PUBLISH: the depth of another one's, and in the lower bits the bytes that its properties have."""
    return target >> _DEPTH_SHIFT << _DEPTH_SHIFT | properties


def largest_message(limit: int) -> int:
    """The most bytes of a PUBLISH frame where frames have this limit.

    The rest is for what messages get on their way: the history of a dead letter, the answer that carries one.
    """
    return limit - min(_GROWTH, limit // 4)


def properties_size(target: int) -> int:
    """How many bytes of a PUBLISH's or DELIVER's body are its properties."""
    return target & MAX_CAUSED_TIME


def apart(run: Run) -> list[Run]:
    """The runs of one frame that a run consists of, in order."""
    _, flags, sender, target, _, _, data, count = run
    return [(data[4], flags, sender, target, serial_of(one), key_of(one), one, 1) for one in frames_of(data, count)]


def _joining(kind: int, flags: int) -> int:
    if kind == SIGNAL and flags <= RAW:
        return _BY_WAY
    return _BY_KEY if kind in (PUBLISH, DELIVER, SETTLE) else _ALONE


def _word(data: bytes, pos: int) -> int:
    """Four bytes as a number, for compiled code; in plain Python `_peek` reads a header at once."""
    high = data[pos + 3]  # unsigned in C, where shifting a byte into an int's sign is undefined
    return data[pos] | data[pos + 1] << 8 | data[pos + 2] << 16 | high << 24


def key_of(data: bytes) -> bytes:
    """The key in a frame's bytes."""
    return data[HEADER_SIZE : HEADER_SIZE + int.from_bytes(data[6:8], "little")]


def body_of(run: Run) -> bytes:
    """The body of a run of one frame."""
    return run[6][HEADER_SIZE + len(run[5]) :]


def bodies_of(run: Run) -> list[bytes]:
    """The bodies of all frames of a run, in order."""
    return frames_of(run[6], run[7], HEADER_SIZE + len(run[5]))


def frames_of(data: bytes, count: int, skip: int = 0) -> list[bytes]:
    """The single frames of a run's bytes, in order. count: how many there are; skip: bytes to leave out of each."""
    if count == 1:
        return [data[skip:]]
    frames = []
    start = 0
    size = len(data)
    while start < size:
        end = start + (_word(data, start) if cython.compiled else _peek_length(data, start)[0])
        frames.append(data[start + skip : end])
        start = end
    return frames


def serial_of(data: bytes) -> int:
    """The serial in a frame's bytes."""
    return int.from_bytes(data[16:20], "little")


_ALONE, _BY_KEY, _BY_WAY = 0, 1, 2
"""How frames join a run: not at all, with the same key, or also with a key that goes the same way."""
_NOTHING = (0, -1, 0, 0, 0, 0, _ALONE)


class FrameReader:
    """Cuts a stream of bytes into runs.

    `failure` is None until the stream breaks the protocol; the runs before that place are still
    returned, and all bytes after it are ignored. What is buffered hardly exceeds the bytes received, however
    small the pieces: a length is believed only as far as bytes have come, and checked against `most` first.
    """

    __slots__ = ("_have", "_known", "_most", "_need", "_parts", "_ways", "failure")

    def __init__(self, most: int, ways: Mapping[bytes, object] | None = None) -> None:
        """most: the largest frame that is accepted, bytes, header included.

        ways: by topic, where its signals go. Neighbouring plain signals whose topics have the very same object there
        join a run, of the kind SEVERAL if the topics differ; its key is the first one's. They can be taken apart by
        `apart`, if that changes before the run is handed on.
        """
        self._most = most
        self._ways = {} if ways is None else ways
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0
        self._known = _NOTHING
        self.failure: ProtocolError | None = None

    @property
    def partial(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return self._have

    @property
    def missing(self) -> int:
        """How many bytes complete the unfinished frame, if it is so large that it is best read by itself; else 0."""
        return self._need - self._have if self._parts and self._need >= _LARGE else 0

    def feed(self, data: bytes) -> list[Run]:
        """Take the next bytes of the stream; return the runs that they complete, in order.

        While little happens, a read holds exactly one frame, like the one before it: that case comes
        first, as its time is what a person waits for.
        """
        size = len(data)
        if not self._parts and size >= HEADER_SIZE:
            if cython.compiled:
                length = _word(data, 0)
                this_first = _word(data, 8)
                this_first = this_first << 32 | _word(data, 4)
                this_target = _word(data, 12)
                serial = _word(data, 16)
            else:
                length, this_first, this_target, serial = _peek(data)
            first, target, kind, flags, sender, least, _ = self._known
            if this_first == first and this_target == target and length == size and least <= length <= self._most:
                return [(kind, flags, sender, target, serial, data[HEADER_SIZE:least], data, 1)]
        if self._parts:
            self._parts.append(data)
            self._have += size
            if self._have < self._need:
                if len(self._parts) > _FEW_PARTS + self._have // _SMALL_PART:
                    self._parts = [b"".join(self._parts)]  # each costs more than its bytes
                return []
            data = b"".join(self._parts)
            self._parts.clear()
            self._have = 0
        if self.failure is not None:
            return []
        runs: list[Run] = []
        rest = self._cut(data, runs)
        if rest < len(data) and self.failure is None:
            self._parts.append(data[rest:])
            self._have = len(data) - rest
        return runs

    def _cut(self, data: bytes, runs: list[Run]) -> int:
        """Append the complete runs in `data`; return where the first incomplete frame begins.

        `first` is the header from its kind to its sender. It and the target are checked, and `first` is taken apart,
        only if they differ from those of the frame before; so what each frame costs is its length's check and the
        comparison of its key.
        """
        header = HEADER_SIZE
        most = self._most
        size = len(data)
        first, target, kind, flags, sender, least, joins = self._known
        ways = self._ways
        way: object = None
        start = pos = count = serial = run_kind = 0
        run_key = b""
        self._need = header
        while size - pos >= header:
            if cython.compiled:
                length = _word(data, pos)
                this_first = _word(data, pos + 8)
                this_first = this_first << 32 | _word(data, pos + 4)
                this_target = _word(data, pos + 12)
                this_serial = _word(data, pos + 16)
            else:
                length, this_first, this_target, this_serial = _peek(data, pos)
            if this_first != first or this_target != target:
                if count:
                    runs.append((run_kind, flags, sender, target, serial, run_key, data[start:pos], count))
                    count = 0
                kind = this_first & 0xFF
                flags = this_first >> 8 & 0xFF
                if kind not in FLAGS or flags & ~FLAGS[kind]:
                    self.failure = self._explain(kind, flags)
                    break
                first = this_first
                target = this_target
                sender = first >> 32
                least = header + (first >> 16 & 0xFFFF)
                joins = _joining(kind, flags)
            if not least <= length <= most:
                self.failure = self._explain_length(length, least)
                break
            end = pos + length
            if end > size:
                self._need = length
                break
            if cython.compiled and count and data.startswith(run_key, pos + header):
                key = run_key
            else:
                key = data[pos + header : pos + least]
            if count:
                if key == run_key:
                    serial = this_serial
                    count += 1
                    pos = end
                    continue
                if way is not None and ways.get(key) is way:
                    run_kind = SEVERAL
                    serial = this_serial
                    count += 1
                    pos = end
                    continue
                runs.append((run_kind, flags, sender, target, serial, run_key, data[start:pos], count))
            if joins:
                way = ways.get(key) if joins == _BY_WAY else None
                run_kind = kind
                run_key = key
                serial = this_serial
                start = pos
                count = 1
            else:
                runs.append((kind, flags, sender, target, this_serial, key, data[pos:end], 1))
            pos = end
        if count:
            runs.append((run_kind, flags, sender, target, serial, run_key, data[start:pos], count))
        self._known = (first, target, kind, flags, sender, least, joins) if self.failure is None else _NOTHING
        return pos

    def _explain_length(self, length: int, least: int) -> ProtocolError:
        if length > self._most:
            return ProtocolError(f"a frame of {length} bytes is over the limit of {self._most}")
        return ProtocolError(f"a frame of {length} bytes can't hold its header and key ({least} bytes)")

    def _explain(self, kind: int, flags: int) -> ProtocolError:
        if kind not in FLAGS:
            return ProtocolError(f"unknown kind of frame: {kind}")
        return ProtocolError(f"flags {flags:#04x} are not allowed in a frame of kind {kind}")
