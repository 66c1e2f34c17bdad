"""Supplies to what feeds the machine, and how long it lasts."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus.names import check_topic
from pybus_services.hal.device import Device, State
from pybus_services.hal.power import ATTRIBUTES, power_state

AC, SOURCE, LEVEL = "hal.power.ac", "hal.power.source", "hal.power.battery.level"
LOW, CRITICAL = "hal.power.battery.low", "hal.power.battery.critical"

PLUGGED = {AC: "plugged", SOURCE: "ac"}
UNPLUGGED = {AC: "unplugged", SOURCE: "ac"}


def supply(name: str = "supply", **attributes: str) -> Device:
    return Device(f"/devices/{name}", name, "power_supply", attributes=attributes)


def adapter(online: str) -> Device:
    return supply("AC", type="Mains", online=online)


def battery(capacity: int, status: str = "Discharging", name: str = "BAT0") -> Device:
    return supply(name, type="Battery", status=status, capacity=str(capacity))


def told(*supplies: Device, by: State | None = None) -> dict[str, object]:
    """One look."""
    values: dict[str, object] = (by or power_state(20, 5)).values(supplies)
    return values


def words(*supplies: Device, by: State | None = None) -> dict[str, object]:
    """One look, without the records of single batteries."""
    return {topic: value for topic, value in told(*supplies, by=by).items() if not isinstance(value, dict)}


# --- the plug -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Mains", "Wireless", "USB", "USB_C", "USB_PD", "USB_PD_DRP", "USB_DCP"])
def test_each_kind_of_mains_supply_counts(kind: str) -> None:
    assert told(supply(type=kind, online="1")) == PLUGGED
    assert told(supply(type=kind, online="0")) == UNPLUGGED


@pytest.mark.parametrize("kind", ["BMS", "Unknown", ""])
def test_no_other_kind_does(kind: str) -> None:
    assert told(supply(type=kind, online="1")) == {}


def test_online_and_programmable_is_online() -> None:
    assert told(supply(type="USB", online="2")) == PLUGGED


def test_one_supply_online_is_enough() -> None:
    assert told(adapter("0"), supply(type="USB_PD", online="1")) == PLUGGED


def test_a_supply_of_a_device_does_not_feed_the_machine() -> None:
    of_a_mouse = supply(type="USB", scope="Device", online="1")
    assert told(of_a_mouse) == {}
    assert told(of_a_mouse, supply(type="Mains", scope="System", online="0")) == UNPLUGGED


@pytest.mark.parametrize("attributes", [{}, {"online": ""}, {"online": "yes"}])
def test_an_unreadable_supply_says_nothing_of_the_plug(attributes: dict[str, str]) -> None:
    unreadable = supply(type="Mains", **attributes)
    assert told(unreadable) == {SOURCE: "ac"}
    assert told(unreadable, supply(type="USB", online="1")) == PLUGGED


def test_a_machine_without_supplies_tells_nothing() -> None:
    assert told() == {}


# --- the source -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("online", "statuses", "source"),
    [
        ("0", ["Discharging"], "battery"),
        ("1", ["Discharging"], "ac"),
        ("0", ["Charging"], "ac"),
        ("0", ["Full"], "ac"),
        ("0", ["Not charging"], "ac"),
        ("0", ["Unknown"], "battery"),
        ("1", ["Unknown"], "ac"),
        ("0", ["Not charging", "Discharging"], "battery"),
        ("0", ["Discharging", "Not charging"], "battery"),
        ("0", ["Full", "Unknown"], "battery"),
        ("0", ["Charging", "Unknown"], "ac"),
        ("0", ["Charging", "Discharging"], "battery"),
    ],
)
def test_what_feeds_the_machine(online: str, statuses: list[str], source: str) -> None:
    cells = [battery(50, status, name=f"BAT{number}") for number, status in enumerate(statuses)]
    assert told(adapter(online), *cells)[SOURCE] == source


def test_a_battery_that_is_not_there_feeds_nothing() -> None:
    empty_bay = supply("BAT0", type="Battery", present="0", status="Unknown")
    assert told(empty_bay) == {SOURCE: "ac", "hal.power.battery.BAT0": {"present": False}}


def test_a_machine_with_a_battery_and_no_plug_to_see() -> None:
    assert words(battery(50)) == {SOURCE: "battery", LEVEL: 50}
    assert words(battery(50, "Charging")) == {SOURCE: "ac", LEVEL: 50}


# --- warnings -------------------------------------------------------------------------------------


def warnings(power: State, *levels: int, online: str = "0") -> list[dict[str, object]]:
    """What is told of low and critical at each of these levels."""
    looks = [told(adapter(online), battery(level), by=power) for level in levels]
    return [{topic: value for topic, value in look.items() if topic in (LOW, CRITICAL)} for look in looks]


def test_a_warning_keeps_the_percent_at_which_it_was_given() -> None:
    assert warnings(power_state(20, 5), 21, 20, 19, 6, 5, 4, 0) == [
        {},
        {LOW: 20},
        {LOW: 20},
        {LOW: 20},
        {LOW: 20, CRITICAL: 5},
        {LOW: 20, CRITICAL: 5},
        {LOW: 20, CRITICAL: 5},
    ]


def test_a_steep_fall_is_told_with_what_was_seen() -> None:
    assert warnings(power_state(20, 5), 30, 3) == [{}, {LOW: 3, CRITICAL: 3}]


def test_a_gauge_that_trembles_warns_once() -> None:
    assert warnings(power_state(20, 5), 20, 21, 20, 23, 19) == [{LOW: 20}] * 5


def test_well_above_the_threshold_the_warning_goes() -> None:
    assert warnings(power_state(20, 5), 20, 24, 20) == [{LOW: 20}, {}, {LOW: 20}]


def test_on_the_mains_nothing_is_low() -> None:
    power = power_state(20, 5)
    assert warnings(power, 4) == [{LOW: 4, CRITICAL: 4}]
    assert warnings(power, 4, online="1") == [{}]
    assert warnings(power, 5) == [{LOW: 5, CRITICAL: 5}]


def test_thresholds_are_given() -> None:
    assert warnings(power_state(50, 30), 51, 50, 30) == [{}, {LOW: 50}, {LOW: 50, CRITICAL: 30}]


def test_a_warning_needs_a_known_level() -> None:
    power = power_state(20, 5)
    assert warnings(power, 20) == [{LOW: 20}]
    assert words(adapter("0"), supply("BAT0", type="Battery", status="Discharging"), by=power) == {
        AC: "unplugged",
        SOURCE: "battery",
    }


# --- topics ---------------------------------------------------------------------------------------


def test_the_whole_of_a_laptop() -> None:
    mouse = supply("hidpp_battery_0", type="Battery", scope="Device", capacity="80", status="Discharging")
    assert told(adapter("0"), battery(4), battery(6, "Full", name="BAT1"), mouse) == {
        AC: "unplugged",
        SOURCE: "battery",
        LEVEL: 5,
        LOW: 5,
        CRITICAL: 5,
        "hal.power.battery.BAT0": {"present": True, "status": "discharging", "capacity": 4},
        "hal.power.battery.BAT1": {"present": True, "status": "full", "capacity": 6},
        "hal.power.device.hidpp_battery_0": {"present": True, "status": "discharging", "capacity": 80},
    }


@pytest.mark.parametrize("name", ["level", "low", "critical"])
def test_a_battery_does_not_take_the_name_of_another_topic(name: str) -> None:
    assert told(adapter("1"), battery(50, "Charging", name=name)) == {
        **PLUGGED,
        LEVEL: 50,
        f"hal.power.battery.{name}_": {"present": True, "status": "charging", "capacity": 50},
    }


def test_a_name_that_no_topic_can_hold() -> None:
    assert "hal.power.battery.BAT_0__" in told(battery(50, name="BAT.0 #"))


# --- when to look again ---------------------------------------------------------------------------


def pauses(power: State, *looks: Sequence[Device]) -> list[float]:
    found = []
    for look in looks:
        power.values(look)
        found.append(power.pause(look))
    return found


def test_batteries_are_looked_at_every_half_minute() -> None:
    assert pauses(power_state(20, 5), [battery(50)], [battery(49)]) == [30.0, 30.0]
    assert pauses(power_state(20, 5), [adapter("1")], [adapter("0")], []) == [0.0, 0.0, 0.0]


def test_after_the_plug_has_moved_they_are_looked_at_each_second_for_a_while() -> None:
    """However many events come meanwhile."""
    clock = [0.0]
    power = power_state(20, 5, lambda: clock[0])
    full, discharging = battery(100, "Full"), battery(100)
    assert pauses(power, [adapter("1"), full], [adapter("0"), full]) == [30.0, 1.0]
    for clock[0] in (0.1, 0.2, 0.3, 1.3, 2.3, 4.9):
        assert pauses(power, [adapter("0"), discharging]) == [1.0]
    clock[0] = 5.0
    assert pauses(power, [adapter("0"), discharging]) == [30.0]


def test_the_batteries_of_devices_are_looked_at_as_well() -> None:
    mouse = supply("hid-1", type="Battery", scope="Device", present="1", capacity="80")
    assert pauses(power_state(20, 5), [mouse]) == [30.0]


# --- whatever firmware says -----------------------------------------------------------------------

ODD_TEXT = st.one_of(
    st.text(max_size=12),
    st.integers().map(str),
    st.sampled_from(["Battery", "UPS", "Mains", "Device", "Discharging", "Unknown", "nan", "inf", "1e400", "0", "-1"]),
)
SUPPLY = st.builds(
    lambda name, attributes: supply(name, **attributes),
    st.text(max_size=8),
    st.dictionaries(st.sampled_from(ATTRIBUTES), ODD_TEXT),
)
LAPTOP_BATTERY = st.builds(
    lambda attributes: supply("BAT0", **{"type": "Battery", "present": "1", **attributes}),
    st.dictionaries(st.sampled_from(ATTRIBUTES[3:]), st.integers(-(2**33), 2**33).map(str)),
)


@given(st.lists(st.one_of(SUPPLY, LAPTOP_BATTERY), max_size=4))
def test_nothing_that_a_supply_says_can_do_harm(supplies: list[Device]) -> None:
    power = power_state(20, 5)
    values = power.values(supplies)
    assert power.pause(supplies) in (0.0, 30.0)
    assert [topic for topic in values if check_topic(topic) != topic] == []
    level = values.get(LEVEL, 0)
    assert isinstance(level, int)
    assert 0 <= level <= 100
    assert power.values(supplies) == values
