"""Laws of the wire: cutting a stream changes nothing, garbage is one failure, values come back."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pybus.errors import ProtocolError
from pybus.protocol.codec import decode, encode
from pybus.protocol.frames import HEADER_SIZE, FrameReader, Run, bodies_of, body_of
from pybus.protocol.handshake import Greeter, greeting
from tests.property.streams import chunked, damaged, frames
from tests.protocol.singles import singles

MOST = 200

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    # A year from each end, so that every one of them can be said in UTC.
    st.datetimes(
        datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])
    ),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(scalars, inner, max_size=5))
)


def read(chunks: list[bytes]) -> tuple[list[Run], FrameReader]:
    """The frames of a stream, one by one; what a reader promises at every step is checked."""
    reader = FrameReader(MOST)
    found: list[Run] = []
    received = used = 0
    for chunk in chunks:
        failed = reader.failure
        runs = reader.feed(chunk)
        received += len(chunk)
        used += sum(len(run[6]) for run in runs)
        found += singles(runs)
        if failed is not None:
            assert (runs, reader.failure) == ([], failed)
        if reader.failure is None:
            assert reader.partial == received - used < MOST + len(chunk)
        else:
            assert type(reader.failure) is ProtocolError
            assert reader.partial == 0
    assert b"".join(run[6] for run in found) == b"".join(chunks)[:used]
    return found, reader


@given(st.lists(frames(), max_size=12), st.data())
def test_any_cutting_of_a_stream_gives_the_same_frames(sent: list[bytes], data: st.DataObject) -> None:
    found, reader = read(data.draw(chunked(b"".join(sent))))
    assert [run[6] for run in found] == sent
    assert (reader.failure, reader.partial) == (None, 0)


@given(st.lists(frames(), max_size=6), st.data())
def test_any_cutting_of_a_damaged_stream_gives_the_same_frames_and_the_same_failure(
    sent: list[bytes], data: st.DataObject
) -> None:
    stream = data.draw(damaged(b"".join(sent)))
    found, reader = read([stream])
    again, other = read(data.draw(chunked(stream)))
    assert again == found
    assert str(other.failure) == str(reader.failure)
    assert other.partial == reader.partial


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_garbage_gives_frames_or_one_failure(chunks: list[bytes]) -> None:
    found, reader = read(chunks)
    stream = b"".join(chunks)
    if reader.failure is None:
        assert sum(len(run[6]) for run in found) + reader.partial == len(stream)


@given(st.lists(frames(), max_size=12))
def test_the_bodies_of_a_run_are_those_of_its_frames(sent: list[bytes]) -> None:
    runs = FrameReader(MOST).feed(b"".join(sent))
    bodies = [body for run in runs for body in bodies_of(run)]
    assert bodies == [body_of(run) for run in singles(runs)]
    keys = [run[5] for run in singles(runs)]
    assert sum(HEADER_SIZE + len(key) + len(body) for key, body in zip(keys, bodies, strict=True)) == sum(
        map(len, sent)
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100), st.data())
def test_any_cutting_of_a_greeting_tells_the_same_program(program: str, data: st.DataObject) -> None:
    greeter = Greeter()
    told = [greeter.feed(chunk) for chunk in data.draw(chunked(greeting(program))) if chunk]
    assert told == [None] * (len(told) - 1) + [program]


@given(values)
def test_a_value_comes_back(value: object) -> None:
    assert decode(*encode(value)) == value


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_point_in_time_comes_back_in_utc(moment: datetime) -> None:
    arrived = decode(*encode(moment))
    assert isinstance(arrived, datetime)
    assert (arrived, arrived.tzinfo) == (moment, UTC)
