"""The table of present devices: which events are edges."""

from collections.abc import Sequence

import pytest

from pybus_services.hal.device import Device, Kind, Record
from pybus_services.hal.present import Enumerate, Present
from pybus_services.messages import Message


def _describe(device: Device) -> Record | None:
    if device.attributes.get("colour") == "broken":
        raise ZeroDivisionError
    colour = device.attributes.get("colour", device.properties.get("COLOUR", ""))
    return {"path": device.path, "colour": colour} if colour else None


def _opened(device: Device, _record: Record) -> list[Message]:
    return [Message("house.doorbell", device.name)] if device.properties.get("RING") else []


DOORS = Kind("door", "house.door", ("colour",), _describe, changes=True, events=_opened)


def door(name: str, colour: str = "", action: str = "", **properties: str) -> Device:
    attributes = {"colour": colour} if colour and action != "remove" else {}
    return Device(f"/house/{name}", name, "door", action, properties, attributes)


def there(*doors: Device) -> Enumerate:
    def enumerate_doors(subsystem: str, attributes: tuple[str, ...]) -> Sequence[Device]:
        assert (subsystem, attributes) == ("door", ("colour",))
        return doors

    return enumerate_doors


def added(name: str, colour: str) -> Message:
    return Message("house.door.added", {"path": f"/house/{name}", "colour": colour})


def changed(name: str, colour: str) -> Message:
    return Message("house.door.changed", {"path": f"/house/{name}", "colour": colour})


def removed(name: str, colour: str) -> Message:
    return Message("house.door.removed", {"path": f"/house/{name}", "colour": colour})


def settled(*doors: Device) -> Present:
    """A table that has these doors, all events of the beginning taken."""
    present = Present([DOORS])
    present.begin(there(*doors))
    present.settle()
    return present


def test_what_comes_and_goes_is_told_with_what_was_known() -> None:
    present = settled()
    assert present.take(door("front", "red", "add")) == [added("front", "red")]
    assert present.record("/house/front") == {"path": "/house/front", "colour": "red"}
    assert present.take(door("front", "red", "remove")) == [removed("front", "red")]
    assert present.record("/house/front") is None


def test_what_was_there_before_goes_with_its_record() -> None:
    assert settled(door("front", "red")).take(door("front", action="remove")) == [removed("front", "red")]


def test_a_repeated_event_is_no_edge() -> None:
    present = settled(door("front", "red"))
    assert present.take(door("front", "red", "add")) == []
    assert present.take(door("front", "red", "change")) == []
    assert present.take(door("front", "red", "remove")) == [removed("front", "red")]
    assert present.take(door("front", "red", "remove")) is None


def test_another_record_is_a_change() -> None:
    assert settled(door("front", "red")).take(door("front", "blue", "change")) == [changed("front", "blue")]


def test_a_kind_may_keep_its_changes_to_itself() -> None:
    present = Present([DOORS._replace(changes=False)])
    present.begin(there(door("front", "red")))
    present.settle()
    assert present.take(door("front", "blue", "change")) == []
    assert present.take(door("front", "blue", "remove")) == [removed("front", "blue")]


def test_a_device_can_come_by_a_change_and_go_by_one() -> None:
    present = settled()
    assert present.take(door("front", "", "add")) is None
    assert present.take(door("front", "red", "change")) == [added("front", "red")]
    assert present.take(door("front", "", "change")) == [removed("front", "red")]


def test_a_repeated_add_takes_nobody_away() -> None:
    """A sound card is complete by a `change` only."""
    present = settled(door("front", "red"))
    assert present.take(door("front", "", "add")) == []
    assert present.take(door("front", "red", "change")) == []


def test_an_event_says_more_than_an_edge() -> None:
    present = settled(door("front", "red"))
    assert present.take(door("front", "red", "change", RING="1")) == [Message("house.doorbell", "front")]
    assert present.take(door("front", "blue", "change", RING="1")) == [
        changed("front", "blue"),
        Message("house.doorbell", "front"),
    ]


def test_a_device_that_breaks_the_rules_is_none_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    present = settled(door("front", "red"), door("back", "broken"))
    assert present.take(door("side", "broken", "add")) is None
    assert present.take(door("front", "red", "remove")) == [removed("front", "red")]
    assert [record.getMessage().split(";")[0] for record in caplog.records] == [
        "/house/back can't be described",
        "/house/side can't be described",
    ]


def test_other_subsystems_and_actions_are_nobodys() -> None:
    present = settled(door("front", "red"))
    assert present.take(Device("/house/w", "w", "window", "add")) is None
    assert present.take(door("front", "red", "bind")) is None


def test_a_renamed_device_stays_the_same() -> None:
    present = settled(door("front", "red"))
    assert present.take(door("back", "red", "move", DEVPATH_OLD="/house/front")) == [changed("back", "red")]
    assert present.take(door("back", "red", "remove")) == [removed("back", "red")]
    assert present.take(door("front", "red", "remove")) is None


def test_the_move_of_a_device_that_came_with_its_new_name_says_nothing() -> None:
    present = settled()
    assert present.take(door("back", "red", "add", DEVPATH_OLD="/house/front")) == [added("back", "red")]
    assert present.take(door("back", "red", "move", DEVPATH_OLD="/house/front", RING="1")) == []
    assert present.take(door("side", "red", "move", DEVPATH_OLD="/house/back", RING="1")) == [
        changed("side", "red"),
        Message("house.doorbell", "side"),
    ]


# --- the beginning: the monitor listens before the table is filled ---------------------------------


def test_who_came_between_listening_and_looking_is_told_once() -> None:
    present = Present([DOORS])
    present.begin(there(door("front", "red"), door("back", "blue")))
    assert present.take(door("back", "blue", "add")) == [added("back", "blue")]
    assert present.take(door("back", "blue", "add")) == []
    present.settle()
    assert present.take(door("front", "red", "add")) == []


def test_who_went_between_listening_and_looking_is_told_with_what_its_event_says() -> None:
    present = Present([DOORS])
    present.begin(there())
    assert present.take(door("front", action="remove", COLOUR="red")) == [removed("front", "red")]
    assert present.take(door("back", action="remove")) is None
    present.settle()
    assert present.take(door("front", action="remove", COLOUR="red")) is None


def test_who_came_and_went_between_listening_and_looking_is_told_twice() -> None:
    present = Present([DOORS])
    present.begin(there())
    assert present.take(door("front", "", "add", COLOUR="red")) == [added("front", "red")]
    assert present.take(door("front", action="remove")) == [removed("front", "red")]


# --- a gap in the events ----------------------------------------------------------------------------


def test_after_a_gap_the_edges_are_found_by_looking() -> None:
    present = settled(door("front", "red"), door("back", "blue"), door("side", "green"))
    looked = there(door("back", "blue"), door("side", "grey"), door("cellar", "black"))
    assert present.compare(looked) == [removed("front", "red"), changed("side", "grey"), added("cellar", "black")]
    assert present.compare(looked) == []


def test_an_event_that_the_look_had_seen_already_is_not_told_again() -> None:
    present = settled()
    assert present.compare(there(door("front", "red"))) == [added("front", "red")]
    assert present.take(door("front", "red", "add")) == []
