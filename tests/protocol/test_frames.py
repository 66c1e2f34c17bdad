"""Frames: their bytes on the wire, how a stream is cut into runs, and what breaks the protocol."""

import struct
import tracemalloc

import pytest

from pybus.limits import MIB
from pybus.protocol.frames import (
    ANSWER,
    BYE,
    CALL,
    CAUSED,
    CLEAR,
    CONFIRM,
    CONFIRMED,
    DELIVER,
    EPHEMERAL,
    ERROR,
    FLAGS,
    HELLO,
    MANDATORY,
    MAX_CAUSED_TIME,
    MAX_DEPTH,
    MISSED,
    MULTIPLE,
    NACK,
    NO_REPLY,
    ON_CHANGE,
    PEER,
    PERSISTENT,
    PREAMBLE,
    PUBLISH,
    RAW,
    REDELIVERED,
    REQUEUE,
    RETAIN,
    RETAINED,
    RETURN,
    SETTLE,
    SEVERAL,
    SIGNAL,
    UNTAKEN,
    WELCOME,
    FrameReader,
    allowed_time,
    apart,
    bodies_of,
    body_of,
    caused_target,
    depth_of,
    frame,
    with_sender,
)

# kind, flags, sender, target, serial, key, body: and what is on the wire
WIRE = [
    ((HELLO, 0, 0, 0, 0, b"", b"\x81\xa7program\xa2ls"),
     "20000000 01 00 0000 00000000 00000000 00000000 81 a770726f6772616d a26c73"),
    ((WELCOME, 0, 0, 7, 0, b"", b"\x84\xa6number\x07\xa3bus\xa2ab\xa7version\xa11\xa5frame\xcd\x10\x00"),
     "37000000 02 00 0000 00000000 07000000 00000000"
     "84 a66e756d626572 07 a3627573 a26162 a776657273696f6e a131 a56672616d65 cd1000"),
    ((SIGNAL, RETAIN, 7, 0, 1, b"hal.ac", b"\xa2on"),
     "1d000000 03 02 0600 07000000 00000000 01000000 68616c2e6163 a26f6e"),
    ((CALL, NO_REPLY, 7, 500, 2, b"a.b play", b"\x92\x91\xa1x\x81\xa1n\x01"),
     "24000000 04 20 0800 07000000 f4010000 02000000 612e6220706c6179 92 91 a178 81 a16e 01"),
    ((SIGNAL, RETAIN | CAUSED | ON_CHANGE, 7, 3 << 26, 0, b"hal.ac", b"\xa2on"),
     "1d000000 03 c2 0600 07000000 0000000c 00000000 68616c2e6163 a26f6e"),
    ((SIGNAL, RETAIN | CAUSED, 7, 3 << 26 | EPHEMERAL, 0, b"hal.ac", b"\xa2on"),
     "1d000000 03 42 0600 07000000 0100000c 00000000 68616c2e6163 a26f6e"),
    ((SIGNAL, RETAIN, 7, EPHEMERAL, 1, b"hal.ac", b"\xa2on"),
     "1d000000 03 02 0600 07000000 01000000 01000000 68616c2e6163 a26f6e"),
    ((CALL, CAUSED, 7, 3 << 26 | 500, 2, b"a.b play", b"\x92\x90\x80"),
     "1f000000 04 40 0800 07000000 f401000c 02000000 612e6220706c6179 92 90 80"),
    ((ANSWER, RAW, 8, 7, 2, b"", b"\xff\x00"),
     "16000000 05 01 0000 08000000 07000000 02000000 ff00"),
    ((ERROR, 0, 8, 7, 2, b"", b"\x92\xa5a.Bad\xa2no"),
     "1e000000 06 00 0000 08000000 07000000 02000000 92 a5612e426164 a26e6f"),
    ((MISSED, 0, 0, 7, 0, b"", b"\x81\xa3a.b\x03"),
     "1a000000 07 00 0000 00000000 07000000 00000000 81 a3612e62 03"),
    ((PEER, 0, 0, 8, 0, b"", b"\x82\xa6number\x07\xa3uid\xcd\x03\xe8"),
     "24000000 08 00 0000 00000000 08000000 00000000 82 a66e756d626572 07 a3756964 cd03e8"),
    ((BYE, 0, 4294967295, 0, 0, b"", b"\xc0"),
     "15000000 09 00 0000 ffffffff 00000000 00000000 c0"),
    ((PUBLISH, PERSISTENT | CONFIRM, 7, 9, 3, b"ex\x00k", b"\x81\xa4type\xa2ab\xa2on"),
     "24000000 0a 12 0400 07000000 09000000 03000000 6578 00 6b 81 a474797065 a26162 a26f6e"),
    ((DELIVER, RAW | REDELIVERED, 7, 0, 5, b"\x00jobs", b"\xff"),
     "1a000000 0b 05 0500 07000000 00000000 05000000 00 6a6f6273 ff"),
    ((SETTLE, NACK | REQUEUE | MULTIPLE, 8, 1, 2, b"", b""),
     "14000000 0c 0e 0000 08000000 01000000 02000000"),
    ((SETTLE, NACK | REQUEUE | UNTAKEN, 8, 1, 2, b"", b""),
     "14000000 0c 16 0000 08000000 01000000 02000000"),
    ((CONFIRMED, MULTIPLE, 0, 7, 3, b"", b""),
     "14000000 0d 08 0000 00000000 07000000 03000000"),
    ((RETURN, MANDATORY, 7, 0, 3, b"\x00jobs", b"\xc0"),
     "1a000000 0e 08 0500 07000000 00000000 03000000 00 6a6f6273 c0"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "wire"), WIRE, ids=lambda value: "" if isinstance(value, tuple) else value[9:11])
def test_each_kind_has_these_bytes(fields: tuple[int, int, int, int, int, bytes, bytes], wire: str) -> None:
    data = bytes.fromhex(wire)
    assert frame(*fields) == data
    reader = FrameReader(1000)
    (run,) = reader.feed(data)
    assert run == (*fields[:6], data, 1)
    assert body_of(run) == fields[6]
    assert (reader.failure, reader.partial) == (None, 0)


def test_every_kind_is_among_the_literals() -> None:
    assert sorted({fields[0] for fields, _ in WIRE}) == sorted(FLAGS)


def test_the_preamble_ends_with_the_version() -> None:
    assert bytes.fromhex("5059425553 0000 01") == PREAMBLE


def test_a_field_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(struct.error):
        frame(SIGNAL, 0, 2**32, 0, 0)


def test_the_sender_can_be_exchanged() -> None:
    data = frame(SIGNAL, RAW, 7, 0, 3, b"a", b"body")
    assert with_sender(data, 2**32 - 1) == frame(SIGNAL, RAW, 2**32 - 1, 0, 3, b"a", b"body")


@pytest.mark.parametrize(
    ("depth", "milliseconds", "target", "kept"),
    [
        (1, 0, 0x04000000, (1, 0)),
        (1, 25_000, 0x040061A8, (1, 25_000)),
        (MAX_DEPTH, MAX_CAUSED_TIME, 0xFFFFFFFF, (63, 67_108_863)),
        (MAX_DEPTH + 1, MAX_CAUSED_TIME + 1, 0xFFFFFFFF, (63, 67_108_863)),
        (10**6, 2**32 - 1, 0xFFFFFFFF, (63, 67_108_863)),
    ],
)
def test_the_target_of_what_was_caused_holds_depth_and_time(
    depth: int, milliseconds: int, target: int, kept: tuple[int, int]
) -> None:
    assert caused_target(depth, milliseconds) == target
    assert (depth_of(target), allowed_time(target)) == kept


@pytest.mark.parametrize(("kind", "flags"), [(CALL, ON_CHANGE), (CALL, RETAIN), (ANSWER, CAUSED), (ERROR, CAUSED)])
def test_a_flag_that_the_kind_does_not_have_breaks_the_protocol(kind: int, flags: int) -> None:
    reader = FrameReader(100)
    assert reader.feed(frame(kind, flags, 7, 0, 1)) == []
    assert str(reader.failure) == f"flags {flags:#04x} are not allowed in a frame of kind {kind}"


# --- runs -----------------------------------------------------------------------------------------


def note(serial: int, body: bytes, key: bytes = b"a.b", flags: int = 0, sender: int = 7, target: int = 0) -> bytes:
    return frame(SIGNAL, flags, sender, target, serial, key, body)


def test_neighbouring_signals_to_one_topic_are_one_run() -> None:
    data = note(1, b"one") + note(2, b"") + note(3, b"three")
    (run,) = FrameReader(100).feed(data)
    assert run == (SIGNAL, 0, 7, 0, 3, b"a.b", data, 3)
    assert bodies_of(run) == [b"one", b"", b"three"]


@pytest.mark.parametrize(
    "other",
    [
        note(2, b"2", key=b"a.c"),
        note(2, b"2", key=b"a.bc"),
        note(2, b"2", flags=RAW),
        note(2, b"2", sender=8),
        note(2, b"2", target=EPHEMERAL),
    ],
    ids=["topic", "longer topic", "flags", "sender", "target"],
)
def test_another_topic_flag_sender_or_target_begins_another_run(other: bytes) -> None:
    runs = FrameReader(100).feed(note(1, b"1") + other + note(3, b"3"))
    assert [run[6] for run in runs] == [note(1, b"1"), other, note(3, b"3")]


@pytest.mark.parametrize("flag", [RETAIN, RETAINED, CLEAR, CONFIRM, CAUSED, ON_CHANGE])
def test_signals_with_a_special_flag_are_runs_of_one(flag: int) -> None:
    runs = FrameReader(100).feed(note(1, b"1", flags=flag) * 2)
    assert [(run[1], run[7]) for run in runs] == [(flag, 1), (flag, 1)]


def test_neighbouring_topics_that_go_the_same_way_are_one_run() -> None:
    to_bob, to_carol = ("bob",), ("carol",)
    ways = {b"a": to_bob, b"b": to_bob, b"c": to_carol}
    parts = [note(1, b"1", b"a"), note(2, b"2", b"b"), note(3, b"3", b"a"), note(4, b"4", b"c"), note(5, b"5", b"c")]
    runs = FrameReader(100, ways).feed(b"".join(parts))
    assert runs == [
        (SEVERAL, 0, 7, 0, 3, b"a", b"".join(parts[:3]), 3),
        (SIGNAL, 0, 7, 0, 5, b"c", b"".join(parts[3:]), 2),
    ]
    assert apart(runs[0]) == [
        (SIGNAL, 0, 7, 0, 1, b"a", parts[0], 1),
        (SIGNAL, 0, 7, 0, 2, b"b", parts[1], 1),
        (SIGNAL, 0, 7, 0, 3, b"a", parts[2], 1),
    ]


def test_a_way_is_the_same_if_it_is_the_same_object() -> None:
    ways = {b"a": ["bob"], b"b": ["bob"]}
    data = note(1, b"1", b"a") + note(2, b"2", b"b")
    assert [(run[0], run[5]) for run in FrameReader(100, ways).feed(data)] == [(SIGNAL, b"a"), (SIGNAL, b"b")]


@pytest.mark.parametrize("kind", [PUBLISH, DELIVER])
def test_messages_of_queues_join_by_key_only(kind: int) -> None:
    way = ("bob",)
    data = frame(kind, 0, 7, 0, 1, b"a") + frame(kind, 0, 7, 0, 2, b"b")
    runs = FrameReader(100, {b"a": way, b"b": way}).feed(data)
    assert [(run[0], run[5]) for run in runs] == [(kind, b"a"), (kind, b"b")]


@pytest.mark.parametrize("flags", [RAW | RETAIN, CONFIRM])
def test_a_special_flag_ends_a_run_of_several_topics(flags: int) -> None:
    way = ("bob",)
    parts = [note(1, b"1", b"a"), note(2, b"2", b"b"), note(3, b"3", b"a", flags), note(4, b"4", b"b")]
    runs = FrameReader(100, {b"a": way, b"b": way}).feed(b"".join(parts))
    assert [(run[0], run[6]) for run in runs] == [
        (SEVERAL, parts[0] + parts[1]),
        (SIGNAL, parts[2]),
        (SIGNAL, parts[3]),
    ]


def test_no_frame_has_the_kind_of_several() -> None:
    reader = FrameReader(100)
    assert reader.feed(frame(SEVERAL, 0, 7, 0, 1, b"a")) == []
    assert str(reader.failure) == "unknown kind of frame: 0"


def test_calls_are_runs_of_one() -> None:
    one = frame(CALL, 0, 7, 0, 1, b"a.b play")
    assert [run[6:] for run in FrameReader(100).feed(one * 2)] == [(one, 1), (one, 1)]


def test_a_frame_cut_anywhere_comes_when_its_last_byte_has_come() -> None:
    data = note(1, b"body")
    for cut in range(1, len(data)):
        reader = FrameReader(100)
        assert reader.feed(data[:cut]) == []
        assert reader.partial == cut
        assert reader.feed(data[cut:]) == [(SIGNAL, 0, 7, 0, 1, b"a.b", data, 1)]
        assert reader.partial == 0


def test_what_is_complete_comes_before_what_is_not() -> None:
    reader = FrameReader(100)
    runs = reader.feed(note(1, b"1") + note(2, b"2") + note(3, b"3")[:-1])
    assert [(run[4], run[7]) for run in runs] == [(2, 2)]
    assert reader.partial == len(note(3, b"3")) - 1
    assert [run[4] for run in reader.feed(b"3")] == [3]


def test_feeding_nothing_changes_nothing() -> None:
    reader = FrameReader(100)
    assert reader.feed(b"") == []
    reader.feed(note(1, b"1")[:5])
    assert reader.feed(b"") == []
    assert reader.partial == 5


# --- limits and violations ------------------------------------------------------------------------


def test_a_frame_may_be_as_large_as_the_limit() -> None:
    data = note(1, b"x" * 77)
    assert len(data) == 100
    assert [run[6] for run in FrameReader(100).feed(data)] == [data]


@pytest.mark.parametrize("before", [b"", note(1, b"same run"), note(1, b"other run", key=b"c")])
def test_a_frame_past_the_limit_is_a_violation_after_the_frames_before_it(before: bytes) -> None:
    reader = FrameReader(100)
    runs = reader.feed(before + note(2, b"x" * 78))
    assert b"".join(run[6] for run in runs) == before
    assert str(reader.failure) == "a frame of 101 bytes is over the limit of 100"
    assert reader.partial == 0


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        ("00000000 03 00 0000", "a frame of 0 bytes can't hold its header and key (20 bytes)"),
        ("13000000 03 00 0000", "a frame of 19 bytes can't hold its header and key (20 bytes)"),
        ("16000000 03 00 0300", "a frame of 22 bytes can't hold its header and key (23 bytes)"),
        ("14000000 03 00 ffff", "a frame of 20 bytes can't hold its header and key (65555 bytes)"),
        ("ffffffff 03 00 0000", "a frame of 4294967295 bytes is over the limit of 100"),
        ("14000000 00 00 0000", "unknown kind of frame: 0"),
        ("14000000 0f 00 0000", "unknown kind of frame: 15"),
        ("14000000 ff ff 0000", "unknown kind of frame: 255"),
        ("14000000 03 20 0000", "flags 0x20 are not allowed in a frame of kind 3"),
        ("14000000 04 01 0000", "flags 0x01 are not allowed in a frame of kind 4"),
        ("14000000 05 02 0000", "flags 0x02 are not allowed in a frame of kind 5"),
        ("14000000 09 80 0000", "flags 0x80 are not allowed in a frame of kind 9"),
    ],
)
def test_a_bad_header_is_a_violation_that_says_what_is_wrong(start: str, complaint: str) -> None:
    reader = FrameReader(100)
    assert reader.feed(bytes.fromhex(start) + bytes(12)) == []
    assert str(reader.failure) == complaint


@pytest.mark.parametrize("bad", [bytes(20), note(2, b"x" * 100)], ids=["kind", "length"])
def test_nothing_is_taken_after_a_violation(bad: bytes) -> None:
    reader = FrameReader(100)
    assert len(reader.feed(note(1, b"1"))) == 1
    assert reader.feed(bad) == []
    failure = reader.failure
    assert failure is not None
    assert reader.feed(note(3, b"3")) == []
    assert reader.failure is failure
    assert reader.partial == 0


def test_frames_that_come_one_at_a_time_are_checked_like_all_others() -> None:
    reader = FrameReader(100)
    for serial in range(1, 4):
        data = note(serial, b"x" * serial)
        assert reader.feed(data) == [(SIGNAL, 0, 7, 0, serial, b"a.b", data, 1)]
    assert reader.feed((20).to_bytes(4, "little") + note(4, b"")[4:20]) == []
    assert str(reader.failure) == "a frame of 20 bytes can't hold its header and key (23 bytes)"
    reader = FrameReader(100)
    reader.feed(note(1, b"1"))
    assert reader.feed(note(2, b"x" * 78)) == []
    assert str(reader.failure) == "a frame of 101 bytes is over the limit of 100"


def test_nothing_is_allocated_on_a_lying_length() -> None:
    header = frame(SIGNAL, 0, 7, 0, 0)[4:]
    claim = (16 * MIB).to_bytes(4, "little") + header
    reader = FrameReader(16 * MIB)
    tracemalloc.start()
    try:
        assert reader.feed(claim) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (reader.failure, reader.partial) == (None, 20)
    assert peak < 4096


def test_a_large_frame_in_many_pieces_is_put_together_only_once() -> None:
    data = note(1, b"x" * MIB)
    chunks = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    reader = FrameReader(2 * MIB)
    tracemalloc.start()
    try:
        for chunk in chunks[:-1]:
            assert reader.feed(chunk) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024
    assert [run[6] for run in reader.feed(chunks[-1])] == [data]


def test_a_frame_in_very_small_pieces_takes_little_more_than_its_bytes() -> None:
    data = note(1, bytes(range(256)) * 1024)
    reader = FrameReader(MIB)
    last = len(data) - 2 - len(data) % 2
    tracemalloc.start()
    try:
        for at in range(0, last, 2):
            assert reader.feed(data[at : at + 2]) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.25 * len(data)
    assert reader.partial == last
    assert [run[6] for run in reader.feed(data[last:])] == [data]
