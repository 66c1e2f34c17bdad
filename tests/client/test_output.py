"""Frames on their way out."""

from pybus.client.output import Output
from pybus.protocol.frames import CALL, CONFIRM, SIGNAL, frame

NEWS = frame(SIGNAL, 0, 1, 0, 0, b"a.b", b"\x01")
ASKED = frame(SIGNAL, CONFIRM, 1, 0, 7, b"a.b", b"\x02")
QUESTION = frame(CALL, 0, 1, 0, 8, b"org.example.X y", b"\x92\x90\x80")


def output(*frames: bytes) -> Output:
    made = Output()
    for one in frames:
        made.put(one)
    return made


def test_what_is_written_in_pieces_comes_out_once_and_in_order() -> None:
    waiting = output(NEWS, QUESTION, ASKED)
    written = b""
    while waiting.waiting:
        piece = waiting.unwritten()[:5]
        written += piece
        waiting.wrote(len(piece))
    assert written == NEWS + QUESTION + ASKED


def test_a_frame_that_was_only_begun_is_sent_whole_on_the_next_connection() -> None:
    waiting = output(NEWS, NEWS)
    waiting.wrote(len(NEWS) + 3)
    waiting.keep_signals()
    assert (waiting.unwritten(), waiting.waiting) == (NEWS, len(NEWS))


def test_what_was_to_be_answered_does_not_outlive_the_connection() -> None:
    waiting = output(QUESTION, NEWS, ASKED)
    waiting.keep_signals()
    assert waiting.take_all() == [NEWS]
    assert waiting.waiting == 0


def test_the_last_frame_can_be_taken_back_unless_it_is_begun() -> None:
    waiting = output(NEWS, QUESTION)
    waiting.wrote(3)
    waiting.take_back()
    waiting.take_back()
    assert (waiting.unwritten(), waiting.waiting) == (NEWS[3:], len(NEWS) - 3)


def test_one_write_gathers_about_what_a_socket_takes() -> None:
    big = frame(SIGNAL, 0, 1, 0, 0, b"a.b", bytes(200_000))
    waiting = output(*[big] * 10)
    assert waiting.unwritten() == big * 2
    waiting.wrote(len(big) + 5)
    assert waiting.unwritten() == (big * 2)[5:]
    assert waiting.waiting == 9 * len(big) - 5
