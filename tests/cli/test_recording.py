"""The format of recordings."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import ExtType

from pybus.cli.recording import Malformed, Recorded, Unwritable, check_header, from_line, header, to_line
from pybus.protocol.codec import decode, encode

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

keys = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary() | st.floats()
leaves = keys | st.datetimes(timezones=st.just(UTC)) | st.builds(ExtType, st.integers(0, 127), st.binary())
bodies = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=20)


def test_a_line_is_as_the_format_says() -> None:
    signal = Recorded(1.2345678, "demo.door", {"open": True, "ä": "\x7f"}, retain=True, sender="bob")
    assert to_line(signal) == (
        b'{"t":1.234568,"topic":"demo.door","body":{"open":true,"\\u00e4":"\\u007f"},"retain":true,"sender":"bob"}\n'
    )
    cleared = Recorded(0.0, "demo.door", None, clear=True, initial=True)
    assert to_line(cleared) == b'{"t":0.0,"topic":"demo.door","body":null,"clear":true,"initial":true,"sender":null}\n'


@pytest.mark.parametrize(
    ("body", "written"),
    [
        (b"\x00\x01", b'{"$bytes":"AAE="}'),
        (MOMENT, b'{"$time":"2026-01-02T03:04:05.678901+00:00"}'),
        (-math.inf, b'{"$float":"-inf"}'),
        ({1: b"", None: "x"}, b'{"$map":[[1,{"$bytes":""}],[null,"x"]]}'),
        ({"$bytes": "AAE="}, b'{"$map":[["$bytes","AAE="]]}'),
        (ExtType(5, b"\x00"), b'{"$ext":[5,"AA=="]}'),
        ([1, 1.0, True, "$bytes"], b'[1,1.0,true,"$bytes"]'),
    ],
)
def test_what_json_does_not_have_is_an_object_of_one_key(body: object, written: bytes) -> None:
    line = b'{"t":0.0,"topic":"a.b","body":%b,"sender":null}\n' % written
    assert to_line(Recorded(0.0, "a.b", body)) == line
    read = from_line(line)
    assert read == Recorded(0.0, "a.b", body)
    assert repr(read.body) == repr(body)


@given(bodies)
def test_every_body_that_came_by_the_bus_comes_back_as_it_was(sent: object) -> None:
    body = decode(*encode(sent))
    read = from_line(to_line(Recorded(0.0, "a.b", body))).body
    assert repr(read) == repr(body)


def test_a_body_that_is_nested_very_deeply_is_refused() -> None:
    body: object = 1
    for _ in range(5000):
        body = [body]
    with pytest.raises(Unwritable, match="nested too deeply"):
        to_line(Recorded(0.0, "a.b", body))


def test_a_header_is_known_again() -> None:
    local = MOMENT.astimezone(timezone(timedelta(hours=2)))
    assert header(local) == b'{"pybus":"recording","version":1,"started":"2026-01-02T05:04:05.678901+02:00"}\n'
    check_header(header(local))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "is no header of a recording"),
        (b'{"t":0,"topic":"a.b","body":1}\n', "is no header of a recording"),
        (b'{"pybus":"recording","version":2}\n', "says version 2; this pybus reads version 1"),
        (b'{"pybus":"recording","version":1}', "has no end; the file seems to be cut off"),
    ],
)
def test_what_is_no_header_is_refused(line: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        check_header(line)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{\n", "is not JSON: "),
        (b"\n", "is not JSON: "),
        (b"\xff\n", "is not JSON: "),
        (b'{"t":NaN,"topic":"a.b","body":1}\n', "is not JSON: NaN is not JSON"),
        (b"[" * 100_000 + b"\n", "is nested too deeply"),
        (b"[1]\n", "is not a JSON object"),
        (b'{"topic":"a.b"}\n', "has no 't' and no 'body'"),
        (b'{"t":0,"topic":"a.b","body":1,"retian":true}\n', "has 'retian', which is not a field of a signal"),
        (b'{"t":-1,"topic":"a.b","body":1}\n', "must have as 't' a number of seconds"),
        (b'{"t":"1","topic":"a.b","body":1}\n', "must have as 't' a number of seconds"),
        (b'{"t":0,"topic":7,"body":1}\n', "must have text as 'topic'"),
        (b'{"t":0,"topic":"a.b","body":1,"retain":1}\n', "must have true or false as 'retain'"),
        (b'{"t":0,"topic":"a.b","body":1,"ephemeral":1}\n', "must have true or false as 'ephemeral'"),
        (b'{"t":0,"topic":"a..b","body":1}\n', "can't be published: topic 'a..b' has an empty word"),
        (b'{"t":0,"topic":"a.b","body":99999999999999999999}\n', "can't be published: an integer of more than 64 bits"),
        (b'{"t":0,"topic":"a.b","body":{"$bytes":"?"}}\n', r"holds an object with '\$bytes' that means nothing"),
        (b'{"t":0,"topic":"a.b","body":{"$bytes":"","x":1}}\n', r"holds an object with '\$bytes' that means nothing"),
        (b'{"t":0,"topic":"a.b","body":{"$set":[]}}\n', r"holds an object with '\$set' that means nothing"),
        (b'{"t":0,"topic":"a.b","body":{"$map":[[[],1]]}}\n', r"holds an object with '\$map' that means nothing"),
        (b'{"t":0,"topic":"a.b","body":{"$float":"1"}}\n', r"holds an object with '\$float' that means nothing"),
        (
            b'{"t":0,"topic":"a.b","body":{"$time":"2026-01-02"}}\n',
            "can't be published: a datetime without a time zone",
        ),
    ],
)
def test_a_malformed_line_says_what_is_wrong(line: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint):
        from_line(line)
