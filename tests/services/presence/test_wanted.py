"""What is told while the screen is locked, and what the person says meanwhile."""

import pytest

from pybus_services.presence.presence import Presence
from pybus_services.presence.wanted import Wanted

DESK = Presence("available", "at my desk")
AWAY = Presence("away")


def told(wanted: Wanted) -> Presence:
    return wanted.told(away_when_locked=True)


def test_who_locks_the_screen_is_away_until_it_is_unlocked() -> None:
    alice = Wanted(DESK)
    assert told(alice) == DESK
    alice.lock(True)
    assert (told(alice), alice.asked) == (AWAY, DESK)
    alice.lock(False)
    assert told(alice) == DESK


def test_only_if_the_account_asks_for_it() -> None:
    alice = Wanted(DESK)
    alice.lock(True)
    assert alice.told(away_when_locked=False) == DESK


@pytest.mark.parametrize("presence", [Presence("away", "coffee"), Presence("dnd", "focus"), Presence("offline", "bye")])
def test_who_is_not_available_stays_as_he_is(presence: Presence) -> None:
    bob = Wanted(presence)
    bob.lock(True)
    assert told(bob) == presence
    bob.lock(False)
    assert told(bob) == presence


def test_what_is_set_behind_the_lock_stands() -> None:
    alice = Wanted(DESK)
    alice.lock(True)
    alice.ask(Presence("available", "on the phone"))
    assert told(alice) == Presence("available", "on the phone")
    alice.lock(True)  # heard once more
    assert told(alice) == Presence("available", "on the phone")
    alice.lock(False)
    assert told(alice) == Presence("available", "on the phone")
    alice.lock(True)
    assert told(alice) == AWAY


def test_unlocked_without_a_lock_before_changes_nothing() -> None:
    alice = Wanted(DESK)
    alice.lock(False)
    assert told(alice) == DESK
