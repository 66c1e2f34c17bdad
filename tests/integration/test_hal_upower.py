"""What we say of power, beside what UPower says of the same batteries: the real upowerd on the same bed.

One test goes all the way to a listener; the others compare the rules, so they look at the bed directly.
"""

import asyncio
import itertools
import json
import math
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pybus_services.hal.device import Device
from pybus_services.hal.power import power_state

from .hal_scene import PATIENCE, Bed, Listener, Scene, needs, needs_umockdev, scene

UPOWERD = "/usr/libexec/upowerd"
NAME = "org.freedesktop.UPower"
DEVICES = "/org/freedesktop/UPower/devices/"

needs_upower = pytest.mark.skipif(not os.path.exists(UPOWERD), reason="upower is not installed")
pytestmark = [needs_umockdev, needs_upower, needs("dbus-daemon", "busctl")]

LOW, CRITICAL = 20, 5
"""The thresholds of the UPower.conf that comes with it."""

STATES = ("unknown", "charging", "discharging", "empty", "full", "not charging")
"""Its words for a battery's state, by number."""

BAT0, BAT1 = 50.0, 20.0
"""Wh that the two batteries hold."""


class Upower:
    """A upowerd that sees the bed, on a D-Bus of its own, where it finds nobody who could suspend the machine."""

    def __init__(self, address: str) -> None:
        self._address = address

    @classmethod
    async def start(cls, people: Scene, bed: Bed, folder: Path) -> "Upower":
        address = f"unix:path={folder}/system_bus"
        bus = await people.start("dbus-daemon", "--session", "--nofork", f"--address={address}", "--print-address")
        assert bus.stdout is not None
        assert await bus.stdout.readline()
        history = {"UPOWER_HISTORY_DIR": str(folder)}
        await people.start(UPOWERD, environment={"DBUS_SYSTEM_BUS_ADDRESS": address, **bed.environment, **history})
        upower = cls(address)
        async with asyncio.timeout(PATIENCE):
            while not await upower._is_there():
                pass
        return upower

    async def device(self, name: str) -> dict[str, Any]:
        """All properties of a device."""
        return await self._properties(DEVICES + name, f"{NAME}.Device")

    async def is_on_battery(self) -> bool:
        return bool((await self._properties("/org/freedesktop/UPower", NAME))["OnBattery"])

    async def _properties(self, path: str, interface: str) -> dict[str, Any]:
        answer = await self._call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface)
        return {name: value["data"] for name, value in answer["data"][0].items()}

    async def _is_there(self) -> bool:
        answer = await self._call(
            "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", NAME, to="org.freedesktop.DBus"
        )
        return bool(answer["data"][0])

    async def _call(self, path: str, interface: str, method: str, *arguments: str, to: str = NAME) -> Any:
        command = ("busctl", f"--address={self._address}", "--json=short", "call", to, path, interface, method)
        process = await asyncio.create_subprocess_exec(*command, *arguments, stdout=asyncio.subprocess.PIPE)
        answer, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(answer or "null")


class Laptop:
    """A bed with power supplies, whose attributes are read back from its sysfs.

    Each change of a battery changes its voltage, which tells whether UPower knows of the change yet.
    """

    def __init__(self, bed: Bed) -> None:
        self.bed = bed
        self._paths: dict[str, str] = {}
        self._state = power_state(LOW, CRITICAL)
        self._volts = itertools.cycle(("11000000", "11100000", "11200000"))

    async def add(self, name: str, **attributes: str) -> None:
        self._paths[name] = await self.bed.do("add", "power_supply", name, attributes, {})

    async def set(self, name: str, **attributes: str) -> None:
        """Change attributes, and send the event for it."""
        if "voltage_now" in attributes:
            attributes["voltage_now"] = next(self._volts)
        for attribute, value in attributes.items():
            await self.bed.do("set", self._paths[name], attribute, value)
        await self.bed.do("uevent", self._paths[name], "change")

    def look(self) -> dict[str, object]:
        """What the service would tell now."""
        folder = Path(self.bed.environment["UMOCKDEV_DIR"])
        supplies = []
        for name, path in self._paths.items():
            files = {attribute: folder / path.lstrip("/") / attribute for attribute in self._state.attributes}
            found = {attribute: file.read_text().strip() for attribute, file in files.items() if file.exists()}
            supplies.append(Device(path.removeprefix("/sys"), name, "power_supply", attributes=found))
        values: dict[str, object] = self._state.values(supplies)
        return values


def _battery(now: float, full: float, status: str, power: float = 0.0) -> dict[str, str]:
    """Attributes of a battery as ACPI's driver gives them. now, full: Wh; power: W."""
    return {
        "type": "Battery",
        "present": "1",
        "status": status,
        "capacity": str(int(100 * now / full)),
        "energy_now": str(round(now * 1e6)),
        "energy_full": str(round(full * 1e6)),
        "energy_full_design": str(round(full * 1e6)),
        "power_now": str(round(power * 1e6)),
        "voltage_now": "11400000",
        "voltage_min_design": "10800000",
    }


class Heard:
    """The values of `hal.power` as a listener has them."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._values: dict[str, object] = {}

    async def until(self, values: Mapping[str, object]) -> None:
        """Listen until they are these."""
        try:
            while self._values != values:
                topic, body, _, cleared = json.loads(await self._listener.line())
                if cleared:
                    self._values.pop(topic, None)
                elif topic.startswith("hal.power."):
                    self._values[topic] = body
        except TimeoutError:
            assert self._values == values


@pytest.fixture
async def laptop(bus_env: Mapping[str, str]) -> AsyncIterator[tuple[Scene, Laptop]]:
    async with scene(bus_env) as people:
        yield people, Laptop(await people.bed())


async def _theirs(upower: Upower, batteries: tuple[str, ...]) -> dict[str, object]:
    """What UPower says, in our words."""
    records = {f"hal.power.battery.{name}": _record(await upower.device(f"battery_{name}")) for name in batteries}
    whole, mains = await upower.device("DisplayDevice"), await upower.device("line_power_AC")
    told: dict[str, object] = {
        "hal.power.ac": "plugged" if mains["Online"] else "unplugged",
        "hal.power.source": "battery" if await upower.is_on_battery() else "ac",
        "hal.power.battery.level": math.floor(whole["Percentage"] + 0.5),
        "hal.power.battery.low": whole["WarningLevel"] >= 3,
        "hal.power.battery.critical": whole["WarningLevel"] >= 4,
    }
    return told | records


def _record(properties: Mapping[str, Any]) -> dict[str, object]:
    if not properties["IsPresent"]:
        return {"present": False}
    state = STATES[properties["State"]]
    times = {"time_to_empty": properties["TimeToEmpty"], "time_to_full": properties["TimeToFull"]}
    record: dict[str, object] = {
        "present": True,
        "status": state,
        "capacity": math.floor(properties["Percentage"] + 0.5),
        "energy": round(properties["Energy"], 1),
        "energy_full": round(properties["EnergyFull"], 1),
        "power": round(properties["EnergyRate"], 1),
        "voltage": round(properties["Voltage"], 1),
        **{name: 60 * round(seconds / 60) for name, seconds in times.items() if seconds},
    }
    return _without_rest(record)


def _without_rest(record: Mapping[str, object]) -> dict[str, object]:
    """Without the power of a battery that rests, or whose power is not known: UPower guesses then, from the past."""
    works = record.get("status") in ("charging", "discharging") and record.get("power")
    return {name: value for name, value in record.items() if name != "power" or works}


def _ours(values: Mapping[str, Any]) -> dict[str, object]:
    """Warnings as yes or no: which percent they began at is nothing that UPower knows."""
    warned = {topic: topic in values for topic in ("hal.power.battery.low", "hal.power.battery.critical")}
    records = {topic: _without_rest(value) for topic, value in values.items() if isinstance(value, dict)}
    return {**values, **warned, **records}


async def _agree(upower: Upower, laptop: Laptop, *batteries: str) -> dict[str, object]:
    """Both say the same of the bed as it is now. Returns what that is."""
    ours = _ours(laptop.look())
    theirs: dict[str, object] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while theirs != ours:
                theirs = await _theirs(upower, batteries)
    except TimeoutError:
        assert ours == theirs
    return ours


DISCHARGING, CHARGING, FULL = "Discharging", "Charging", "Full"

DAY: tuple[tuple[float, str, str, int, set[str]], ...] = (
    (70.0, FULL, "ac", 100, set()),
    (70.0, DISCHARGING, "battery", 100, set()),
    (66.3, DISCHARGING, "battery", 95, set()),
    (58.0, DISCHARGING, "battery", 83, set()),
    (50.2, DISCHARGING, "battery", 72, set()),
    (50.0, DISCHARGING, "battery", 71, set()),
    (47.2, DISCHARGING, "battery", 67, set()),
    (35.0, DISCHARGING, "battery", 50, set()),
    (23.3, DISCHARGING, "battery", 33, set()),
    (14.7, DISCHARGING, "battery", 21, set()),
    (14.02, DISCHARGING, "battery", 20, set()),
    (14.0, DISCHARGING, "battery", 20, {"low"}),
    (13.0, DISCHARGING, "battery", 19, {"low"}),
    (13.1, CHARGING, "ac", 19, set()),
    (14.5, CHARGING, "ac", 21, set()),
    (14.3, DISCHARGING, "battery", 20, set()),
    (12.9, DISCHARGING, "battery", 18, {"low"}),
    (8.0, DISCHARGING, "battery", 11, {"low"}),
    (3.6, DISCHARGING, "battery", 5, {"low"}),
    (3.5, DISCHARGING, "battery", 5, {"low", "critical"}),
    (1.4, DISCHARGING, "battery", 2, {"low", "critical"}),
    (0.4, DISCHARGING, "battery", 1, {"low", "critical"}),
    (0.4, CHARGING, "ac", 1, set()),
    (3.4, CHARGING, "ac", 5, set()),
    (12.0, CHARGING, "ac", 17, set()),
    (35.0, CHARGING, "ac", 50, set()),
    (49.9, CHARGING, "ac", 71, set()),
    (50.5, CHARGING, "ac", 72, set()),
    (58.8, CHARGING, "ac", 84, set()),
    (69.9, CHARGING, "ac", 100, set()),
    (70.0, FULL, "ac", 100, set()),
)
"""Wh in both batteries together, what they do, and then what is told: source, level, warnings."""


async def test_a_day_with_two_batteries(laptop: tuple[Scene, Laptop], tmp_path: Path) -> None:
    """Unplugged, emptied one after the other, for a while on the mains, emptied again, charged, full."""
    people, machine = laptop
    await machine.add("AC", type="Mains", online="1")
    await machine.add("BAT0", **_battery(BAT0, BAT0, FULL))
    await machine.add("BAT1", **_battery(BAT1, BAT1, FULL))
    upower = await Upower.start(people, machine.bed, tmp_path)
    await people.service("--source", "udev", bed=machine.bed)
    heard = Heard(await people.listener())
    told = []
    for stored, verb, *_ in DAY:
        await machine.set("AC", online="0" if verb == DISCHARGING else "1")
        for name, attributes in _pair(stored, verb).items():
            await machine.set(name, **attributes)
        agreed = await _agree(upower, machine, "BAT0", "BAT1")
        await heard.until(machine.look())
        warned = {word for word in ("low", "critical") if agreed[f"hal.power.battery.{word}"]}
        told.append((stored, verb, agreed["hal.power.source"], agreed["hal.power.battery.level"], warned))
    assert tuple(told) == DAY


def _pair(stored: float, verb: str) -> dict[str, dict[str, str]]:
    """Two batteries as a ThinkPad uses them: the second is emptied first and filled last, the other rests."""
    first = min(stored, BAT0)
    second = stored - first
    at_work = "BAT0" if first < BAT0 or (verb == DISCHARGING and not second) else "BAT1"
    verbs = {name: verb if verb == FULL or name == at_work else "Not charging" for name in ("BAT0", "BAT1")}
    return {
        "BAT0": _battery(first, BAT0, verbs["BAT0"], 12.5 if verbs["BAT0"] == verb else 0.0),
        "BAT1": _battery(second, BAT1, verbs["BAT1"], 7.5 if verbs["BAT1"] == verb else 0.0),
    }


@pytest.mark.parametrize("online", ["0", "1"])
async def test_every_status_of_one_battery(laptop: tuple[Scene, Laptop], tmp_path: Path, online: str) -> None:
    """On the mains and off it, whatever the battery thinks of that."""
    people, machine = laptop
    await machine.add("AC", type="Mains", online=online)
    await machine.add("BAT0", **_battery(40, BAT0, FULL))
    upower = await Upower.start(people, machine.bed, tmp_path)
    for status in (DISCHARGING, CHARGING, "Not charging", FULL, "Unknown", "", "Exhausted"):
        for stored in (45.0, 44.9, 8.0):
            await machine.set("BAT0", **_battery(stored, BAT0, status, 5.0))
            await _agree(upower, machine, "BAT0")


ODD = {
    "charge in place of energy": {
        "type": "Battery",
        "status": DISCHARGING,
        "charge_now": "1500000",
        "charge_full": "3000000",
        "charge_full_design": "3300000",
        "current_now": "-700000",
        "voltage_now": "11000000",
        "voltage_min_design": "10800000",
    },
    "no share told": {k: v for k, v in _battery(30, BAT0, DISCHARGING, 9.0).items() if k != "capacity"},
    "no energy told": {k: v for k, v in _battery(30, BAT0, DISCHARGING, 9.0).items() if k != "energy_now"},
    "more than full": _battery(51, BAT0, CHARGING, 9.0) | {"capacity": "102"},
    "a wrong power": _battery(30, BAT0, DISCHARGING, 900.0),
    "a negative power": _battery(30, BAT0, DISCHARGING, -9.0),
}


@pytest.mark.parametrize("battery", ODD)
async def test_odd_batteries(laptop: tuple[Scene, Laptop], tmp_path: Path, battery: str) -> None:
    people, machine = laptop
    await machine.add("AC", type="Mains", online="0")
    await machine.add("BAT0", **ODD[battery])
    upower = await Upower.start(people, machine.bed, tmp_path)
    await _agree(upower, machine, "BAT0")


async def test_an_empty_bay_counts_for_nothing(laptop: tuple[Scene, Laptop], tmp_path: Path) -> None:
    people, machine = laptop
    await machine.add("AC", type="Mains", online="0")
    await machine.add("BAT0", **_battery(30, BAT0, DISCHARGING, 9.0))
    await machine.add("BAT1", type="Battery", present="0", status="Unknown")
    upower = await Upower.start(people, machine.bed, tmp_path)
    agreed = await _agree(upower, machine, "BAT0", "BAT1")
    assert agreed["hal.power.battery.level"] == 60


async def test_a_mouse(laptop: tuple[Scene, Laptop], tmp_path: Path) -> None:
    """It is no part of the machine's power, and full when it says 100 percent."""
    people, machine = laptop
    await machine.add("AC", type="Mains", online="1")
    mouse = {"type": "Battery", "scope": "Device", "status": DISCHARGING, "model_name": "Wireless Mouse"}
    await machine.add("mouse0", **mouse, capacity="40")
    upower = await Upower.start(people, machine.bed, tmp_path)
    for told in ("40", "100", "99"):
        await machine.set("mouse0", capacity=told)
        async with asyncio.timeout(PATIENCE):
            while (theirs := await upower.device("battery_mouse0"))["Percentage"] != int(told):
                pass
        assert machine.look() == {
            "hal.power.ac": "plugged",
            "hal.power.source": "ac",
            "hal.power.device.mouse0": {
                "present": theirs["IsPresent"],
                "status": STATES[theirs["State"]],
                "capacity": int(told),
                "model": theirs["Model"],
                "kind": "mouse",
            },
        }
