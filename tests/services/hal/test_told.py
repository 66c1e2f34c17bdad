"""What has to be published when devices are looked at again."""

from collections.abc import Sequence

from pybus_services.hal.events import Message
from pybus_services.hal.states import Device, State, Told


def _doors(devices: Sequence[Device]) -> dict[str, object]:
    return {f"house.door.{device.name}": device.attributes["is"] for device in devices}


def _windows(devices: Sequence[Device]) -> dict[str, object]:
    return {"house.windows": len(devices)}


DOORS = State("door", "house.door.*", ("is",), _doors)
WINDOWS = State("window", "house.windows", (), _windows)


def door(name: str, state: str) -> Device:
    return Device(name, {"is": state})


def test_the_first_look_tells_everything() -> None:
    told = Told()
    assert told.update(DOORS, [door("front", "open"), door("back", "shut")]) == [
        Message("house.door.front", "open", retained=True),
        Message("house.door.back", "shut", retained=True),
    ]
    assert told.values == {"house.door.front": "open", "house.door.back": "shut"}


def test_later_ones_tell_changes_only() -> None:
    told = Told()
    told.update(DOORS, [door("front", "open"), door("back", "shut")])
    assert told.update(DOORS, [door("front", "open"), door("back", "shut")]) == []
    assert told.update(DOORS, [door("front", "open"), door("back", "open")]) == [
        Message("house.door.back", "open", retained=True)
    ]


def test_what_is_gone_is_cleared_once() -> None:
    told = Told()
    told.update(DOORS, [door("front", "open"), door("back", "shut")])
    assert told.update(DOORS, [door("front", "shut")]) == [
        Message("house.door.front", "shut", retained=True),
        Message("house.door.back", None, retained=True),
    ]
    assert told.update(DOORS, [door("front", "shut")]) == []
    assert told.values == {"house.door.front": "shut"}


def test_states_do_not_touch_each_other() -> None:
    told = Told()
    told.update(DOORS, [door("front", "open")])
    assert told.update(WINDOWS, []) == [Message("house.windows", 0, retained=True)]
    assert told.update(DOORS, []) == [Message("house.door.front", None, retained=True)]
    assert told.values == {"house.windows": 0}
