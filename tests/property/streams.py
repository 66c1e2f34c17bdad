"""Strategies: frames, streams of them, and the ways in which a stream can be cut."""

from hypothesis import strategies as st

from pybus.protocol.frames import FLAGS, SIGNAL, frame

NUMBERS = st.one_of(st.integers(0, 2), st.integers(0, 2**32 - 1))
KEYS = st.one_of(st.sampled_from([b"", b"a", b"a.b", b"ab"]), st.binary(max_size=30))
BODIES = st.one_of(st.sampled_from([b"", b"\xc0", b"\x90"]), st.binary(max_size=60))


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One well-formed frame of any kind; every second one a plain signal, so that runs come about."""
    if draw(st.booleans()):
        return frame(SIGNAL, 0, 1, 0, draw(NUMBERS), draw(st.sampled_from([b"a", b"b"])), draw(BODIES))
    kind = draw(st.sampled_from(sorted(FLAGS)))
    flags = FLAGS[kind] & draw(st.integers(0, 255))
    return frame(kind, flags, draw(NUMBERS), draw(NUMBERS), draw(NUMBERS), draw(KEYS), draw(BODIES))


@st.composite
def chunked(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The bytes in pieces, some perhaps empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with a few of them changed, lost, doubled or put in."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 24))
        put = draw(st.one_of(st.binary(max_size=24), st.just(data[at : at + size] * 2)))
        data = data[:at] + put + data[at + size :]
    return data
