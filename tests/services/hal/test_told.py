"""What has to be published when devices are looked at again."""

from pybus_services.hal.told import Told
from pybus_services.messages import Message

DOORS, WINDOWS = "house.door.*", "house.windows"


def test_the_first_look_tells_everything() -> None:
    told = Told()
    assert told.update(DOORS, {"house.door.front": "open", "house.door.back": "shut"}) == [
        Message("house.door.front", "open", retained=True),
        Message("house.door.back", "shut", retained=True),
    ]
    assert told.values == {"house.door.front": "open", "house.door.back": "shut"}


def test_later_ones_tell_changes_only() -> None:
    told = Told()
    told.update(DOORS, {"house.door.front": "open", "house.door.back": "shut"})
    assert told.update(DOORS, {"house.door.front": "open", "house.door.back": "shut"}) == []
    assert told.update(DOORS, {"house.door.front": "open", "house.door.back": "open"}) == [
        Message("house.door.back", "open", retained=True)
    ]


def test_what_is_gone_is_cleared_once() -> None:
    told = Told()
    told.update(DOORS, {"house.door.front": "open", "house.door.back": "shut"})
    assert told.update(DOORS, {"house.door.front": "shut"}) == [
        Message("house.door.front", "shut", retained=True),
        Message("house.door.back", None, retained=True),
    ]
    assert told.update(DOORS, {"house.door.front": "shut"}) == []
    assert told.values == {"house.door.front": "shut"}


def test_givers_do_not_clear_what_another_one_has_told() -> None:
    told = Told()
    told.update(DOORS, {"house.door.front": "open"})
    assert told.update(WINDOWS, {WINDOWS: 4}) == [Message(WINDOWS, 4, retained=True)]
    assert told.update(DOORS, {}) == [Message("house.door.front", None, retained=True)]
    assert told.values == {WINDOWS: 4}


def test_a_pretence_lasts_until_the_next_look() -> None:
    told = Told()
    told.update(DOORS, {"house.door.front": "open"})
    told.pretend(DOORS, "house.door.front", "shut")
    assert told.values == {"house.door.front": "shut"}
    assert told.update(DOORS, {"house.door.front": "open"}) == [Message("house.door.front", "open", retained=True)]


def test_a_pretended_absence_is_none_at_the_next_look() -> None:
    told = Told()
    told.update(DOORS, {"house.door.front": "open"})
    told.pretend(DOORS, "house.door.front", None)
    told.pretend(DOORS, "house.door.back", None)
    assert told.values == {}
    assert told.update(DOORS, {"house.door.front": "open"}) == [Message("house.door.front", "open", retained=True)]


def test_a_pretended_door_is_taken_down_by_the_next_look() -> None:
    told = Told()
    told.pretend(DOORS, "house.door.none", "shut")
    assert told.update(DOORS, {}) == [Message("house.door.none", None, retained=True)]
