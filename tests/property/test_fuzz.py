"""Fuzz: whatever bytes come, a reader gives frames or one failure, and the broker keeps its head."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pybus.errors import ProtocolError
from pybus.limits import Limits
from pybus.protocol.codec import pack, unpack_or_keep
from pybus.protocol.frames import CALL, HELLO, PREAMBLE, SIGNAL, FrameReader, body_of, frame
from pybus.protocol.handshake import MAX_HELLO, Greeter, greeting
from tests.broker.scene import Heard, Person, Scene, body, signal
from tests.property.streams import chunked, damaged, frames
from tests.protocol.singles import singles

many = settings(max_examples=300)
MOST = 100

CALLS = st.sampled_from(
    [
        ("org.pybus.Bus subscribe", body(["#"])),
        ("org.pybus.Bus unsubscribe", body(["#", "a"])),
        ("org.pybus.Bus request_name", body("a.a", True, True)),
        ("org.pybus.Bus release_name", body("a.a")),
        ("org.pybus.Bus topics", body()),
        ("org.pybus.Bus set_will", body("a", b"\x01")),
        ("org.pybus.Bus peers", body()),
        ("a.a play", body(1)),
        (":1 play", body()),
    ]
)


@many
@given(st.lists(frames(), max_size=5), st.data())
def test_a_reader_gives_frames_or_one_failure(sent: list[bytes], data: st.DataObject) -> None:
    stream = data.draw(damaged(b"".join(sent)))
    reader = FrameReader(MOST)
    received = used = 0
    for chunk in data.draw(chunked(stream)):
        runs = reader.feed(chunk)
        received += len(chunk)
        used += sum(len(run[6]) for run in runs)
        assert max([len(run[6]) for run in singles(runs)], default=0) <= MOST
        assert reader.partial <= received - used
        assert reader.failure is None or (type(reader.failure) is ProtocolError and reader.partial == 0)


@many
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.data())
def test_a_greeter_gives_a_name_or_a_protocol_error(program: str, data: st.DataObject) -> None:
    greeter = Greeter()
    stream = data.draw(damaged(greeting(program)))
    received = b""
    for chunk in data.draw(chunked(stream)):
        received += chunk
        try:
            told = greeter.feed(chunk)
        except ProtocolError:
            assert not complete(received)
            return
        assert (told is not None) == complete(received)
        if told is not None:
            return


def complete(received: bytes) -> bool:
    """Whether these bytes are a greeting, and nothing more, that the codec can read."""
    reader = FrameReader(MAX_HELLO)
    runs = reader.feed(received[len(PREAMBLE) :])
    if not received.startswith(PREAMBLE) or reader.failure or reader.partial or len(runs) != 1 or runs[0][7] != 1:
        return False
    value = unpack_or_keep(0, body_of(runs[0]))
    named = isinstance(value, dict) and isinstance(value.get("program", ""), str)
    return named and (runs[0][0], runs[0][2]) == (HELLO, 0)


@st.composite
def deeds(draw: st.DrawFn, number: int) -> bytes:
    """What one connection may send: half of it sensible, all of it from its own number."""
    serial = draw(st.integers(0, 4))
    match draw(st.integers(0, 3)):
        case 0:
            key, arguments = draw(CALLS)
            return frame(
                CALL, draw(st.sampled_from([0, 32])), number, draw(st.integers(0, 99)), serial, key.encode(), arguments
            )
        case 1:
            flags = draw(st.integers(0, 255)) & ~32
            return frame(SIGNAL, flags, number, 0, serial, draw(st.sampled_from([b"a", b"a.b", b"bus", b"#"])), b"\x01")
        case 2:
            kind = draw(st.sampled_from([5, 6]))
            return frame(kind, 0, number, draw(st.integers(0, 3)), serial, b"", pack(["a.b", "c"]))
        case _:
            data = draw(frames())
            return data[:8] + number.to_bytes(4, "little") + data[12:]


@settings(max_examples=200)
@given(st.data())
def test_the_broker_refuses_or_throws_out_and_serves_the_others(data: st.DataObject) -> None:
    scene = Scene(
        Limits()._replace(frame=2000, outbox=2000, pending=2, serving=2, names=2, patterns=2, retained_topics=1)
    )
    alice = scene.join("alice")
    rascals = [scene.join("mallory"), scene.join("trudy")]
    alice.subscribe("only.alice")
    for _ in range(data.draw(st.integers(1, 30))):
        rascal = data.draw(st.sampled_from(rascals))
        if misbehaves(rascal, data.draw(deeds(rascal.number))):
            rascal.leave()
            rascals[rascals.index(rascal)] = scene.join("again")
        for person in rascals:
            person.heard()
        scene.wait(data.draw(st.sampled_from([0.0, 0.05, 30.0])))
    alice.heard()
    alice.publish("only.alice", "calm")
    assert alice.heard()[-1] == signal(alice, "only.alice", "calm")
    assert alice.ask("ping") is None


def misbehaves(who: Person, data: bytes) -> bool:
    """Send it; tell whether the connection has to end. Anything but a `ProtocolError` passes out."""
    try:
        who.send(data)
    except ProtocolError:
        return True
    return who.peer.leaving


@given(st.lists(st.integers(0, 2), max_size=20))
def test_only_the_outbox_of_a_full_one_loses_signals_and_the_gap_adds_up(order: list[int]) -> None:
    scene = Scene(Limits()._replace(outbox=60))
    alice, bob = scene.join("alice"), scene.join("bob")
    bob.subscribe("#")
    for topic in order:
        alice.publish("abc"[topic], 1)
    heard: list[Heard] = bob.heard()
    got = [one for one in heard if one.kind == SIGNAL]
    lost = sum(sum(one.value.values()) for one in heard if isinstance(one.value, dict))
    assert len(got) + lost == len(order)
    assert [one.key for one in got] == ["abc"[topic] for topic in order][: len(got)]
