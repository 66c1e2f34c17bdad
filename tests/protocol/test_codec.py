"""Bodies: which values travel and how they arrive, and what is said of the others."""

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pybus.errors import BodyError
from pybus.protocol.codec import Undecodable, decode, encode, pack, unpack, unpack_map, unpack_or_keep
from pybus.protocol.frames import RAW


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (None, "c0"),
        (True, "c3"),
        (-1, "ff"),
        (2**64 - 1, "cf ffffffffffffffff"),
        (-(2**63), "d3 8000000000000000"),
        (1.5, "cb 3ff8000000000000"),
        ("é", "a2 c3a9"),
        ("", "a0"),
        ("a" * 31, "bf" + "61" * 31),
        ("a" * 32, "d920" + "61" * 32),
        ("é" * 16, "d920" + "c3a9" * 16),
        ("a" * 255, "d9ff" + "61" * 255),
        ("a" * 256, "da0100" + "61" * 256),
        (False, "c2"),
        ([1, b"\x00"], "92 01 c401 00"),
        ({1: "a", None: []}, "82 01 a161 c0 90"),
        (datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "d6 ff 00000001"),
    ],
)
def test_a_value_has_these_bytes_and_comes_back(value: object, wire: str) -> None:
    assert encode(value) == (0, bytes.fromhex(wire))
    assert decode(0, bytes.fromhex(wire)) == value


@pytest.mark.parametrize("value", [b"\xc1", bytearray(b"\xc1"), memoryview(b"\xc1")])
def test_bytes_travel_raw(value: object) -> None:
    assert encode(value) == (RAW, b"\xc1")
    assert decode(RAW, b"\xc1") == b"\xc1"


def test_a_tuple_arrives_as_a_list() -> None:
    assert unpack(pack((1, ("a",)))) == [1, ["a"]]


def test_a_point_in_time_arrives_in_utc() -> None:
    sent = datetime(2024, 5, 17, 12, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    arrived = unpack(pack(sent))
    assert arrived == sent
    assert isinstance(arrived, datetime)
    assert arrived.tzinfo is UTC


def loop() -> list[object]:
    itself: list[object] = []
    itself.append(itself)
    return itself


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (2**64, "an integer of more than 64 bits can't be sent"),
        (
            [datetime(2024, 1, 1)],
            "a datetime without a time zone can't be sent: give it one, such as datetime.now(timezone.utc)",
        ),
        (loop(), "the value is nested too deeply, or holds itself"),
        (
            {"a": [1, {2}]},
            "a value of type set can't be sent: None, bool, int, float, str, bytes, list, dict and datetime can",
        ),
        (
            {1j: 1},
            "a value of type complex can't be sent: None, bool, int, float, str, bytes, list, dict and datetime can",
        ),
        (
            "\udc80",
            "a text that can't be written in UTF-8 can't be sent; send its bytes",
        ),
    ],
)
def test_a_value_that_can_not_be_sent_is_named(value: object, complaint: str) -> None:
    with pytest.raises(BodyError) as caught:
        pack(value)
    assert str(caught.value) == complaint
    assert pack(1) == b"\x01"  # nothing of it is left over


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        b"\x01\x01",
        b"\xa1",
        b"\xa1aa",
        b"\xa1\xff",
        b"\x81\x90\x01",
        b"\x91" * 100_000,
        b"\xd6\xff\x00",
    ],
    ids=[
        "empty",
        "unused",
        "cut",
        "two values",
        "cut text",
        "text and more",
        "not UTF-8",
        "list as key",
        "deep",
        "cut time",
    ],
)
def test_bytes_that_are_not_one_value_are_refused_and_can_be_kept(body: bytes) -> None:
    with pytest.raises(BodyError, match=r"^the body is not valid msgpack: ."):
        unpack(body)
    kept = unpack_or_keep(0, body)
    assert type(kept) is Undecodable
    assert kept == body


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"number": 1, "bus": "b" * 40, "frame": 2**24, "version": "é"},
        {1: 2**8, 2: 2**16, 3: 2**32, 4: 2**64 - 1, "": 127},
        {"limit": -1, "inner": {"a": [None]}},
        dict.fromkeys(range(16), "more than fifteen"),
        ["no map"],
    ],
)
def test_a_map_is_read_alike_with_and_without_msgpack(value: object) -> None:
    assert unpack_map(pack(value)) == value


@pytest.mark.parametrize(
    "body",
    [b"", b"\x81", b"\x81\xa1a", b"\x81\xa1a\xcd\x01", b"\x81\xa1a\xa2b", b"\x80\x80", b"\x81\xa1\xff\x01"],
    ids=["empty", "no key", "no value", "cut number", "cut text", "two maps", "not UTF-8"],
)
def test_a_map_that_is_broken_is_refused(body: bytes) -> None:
    with pytest.raises(BodyError, match=r"^the body is not valid msgpack: ."):
        unpack_map(body)


def test_a_good_body_is_not_kept_but_read() -> None:
    assert unpack_or_keep(0, b"\x01") == 1
    assert type(unpack_or_keep(RAW, b"\xc1")) is bytes


def test_nothing_is_allocated_on_a_lying_array() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BodyError):
            unpack(b"\xdd\x7f\xff\xff\xff")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024


class Report(dict[str, int]):
    """What it has is told while it is written, as a program may do it."""

    def items(self) -> Any:
        assert pack({"report": len(self)}) == b"\x81\xa6report\x01"
        return super().items()


def test_a_value_that_is_written_may_write_another_one() -> None:
    assert pack([1, Report(lamps=2), 3]) == b"\x93\x01\x81\xa5lamps\x02\x03"
