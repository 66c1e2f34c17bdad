"""The ends of processes and the states of services, in words."""

from __future__ import annotations

import pytest

from pybus.cli.endings import duration, ended, situation, without_words


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (0.25, "0.2 s"), (9.94, "9.9 s"), (10.0, "10 s"), (300.0, "5 min")]
)
def test_a_short_time_span_has_a_decimal(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("status", "signal", "text"),
    [
        (3, None, "exited with status 3 after 0.2 s"),
        (None, "SIGSEGV", "was killed by SIGSEGV after 0.2 s"),
        (None, None, "ended after 0.2 s"),
    ],
)
def test_an_end_is_told_with_its_reason(status: int | None, signal: str | None, text: str) -> None:
    assert ended({"pid": 1, "status": status, "signal": signal, "ran": 0.2, "stderr": []}) == text


@pytest.mark.parametrize(
    ("state", "reason", "due", "text"),
    [
        ("running", "", None, "running"),
        ("failed", "org.a.B did not claim its name in 10 s", None, "failed: did not claim its name in 10 s"),
        ("failed", "org.a.B exited with status 3; its last words: a | b", None, "failed: exited with status 3"),
        ("pausing", "org.a.B was killed by SIGBUS", 1.5, "pausing: was killed by SIGBUS; starts again in 1.5 s"),
    ],
)
def test_a_state_begins_with_its_word(state: str, reason: str, due: float | None, text: str) -> None:
    assert situation({"name": "org.a.B", "state": state, "reason": reason, "due": due}) == text


def test_last_words_are_taken_off_a_reason() -> None:
    assert without_words("org.a.B did not come") == ("org.a.B did not come", [])
    assert without_words("org.a.B did not come; its last words: no disk | no hope") == (
        "org.a.B did not come",
        ["no disk", "no hope"],
    )
