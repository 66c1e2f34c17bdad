"""The machine's batteries, one by one and together."""

import pytest

from pybus_services.hal.batteries import batteries, level, record, whole
from pybus_services.hal.device import Device

ACPI = {
    "type": "Battery",
    "present": "1",
    "status": "Discharging",
    "capacity": "60",
    "energy_now": "30040000",
    "energy_full": "50010000",
    "energy_full_design": "57000000",
    "power_now": "9040000",
    "voltage_now": "11760000",
    "voltage_min_design": "11400000",
}
CHARGE = {
    "type": "Battery",
    "status": "Charging",
    "charge_now": "1500000",
    "charge_full": "3000000",
    "charge_full_design": "3300000",
    "current_now": "750000",
    "voltage_now": "11900000",
    "voltage_min_design": "10000000",
}


def battery(known: dict[str, str], **other: str | None) -> Device:
    """A battery; an attribute that is None is not there."""
    attributes = {name: value for name, value in {**known, **other}.items() if value is not None}
    return Device("/devices/BAT0", "BAT0", "power_supply", attributes=attributes)


def field(name: str, known: dict[str, str], **other: str | None) -> object:
    """One field of its record; None if it is not in there."""
    return record(battery(known, **other)).get(name)


def test_a_battery_in_energy() -> None:
    assert record(battery(ACPI)) == {
        "present": True,
        "status": "discharging",
        "capacity": 60,
        "energy": 30.0,
        "energy_full": 50.0,
        "power": 9.0,
        "voltage": 11.8,
        "time_to_empty": 11940,
    }


def test_a_battery_in_charge() -> None:
    """Its energy is by the voltage of its design, so the times are those of charge and current."""
    assert record(battery(CHARGE)) == {
        "present": True,
        "status": "charging",
        "capacity": 50,
        "energy": 15.0,
        "energy_full": 30.0,
        "power": 7.5,
        "voltage": 11.9,
        "time_to_full": 7200,
    }


def test_an_empty_bay() -> None:
    empty = battery(ACPI, present="0")
    assert record(empty) == {"present": False}
    assert batteries([empty]) == []


def test_a_battery_that_says_nothing() -> None:
    assert record(battery({"type": "Battery"})) == {"present": True, "status": "unknown"}


def test_whose_batteries_count() -> None:
    of_a_mouse = battery(ACPI, scope="Device")
    of_an_ups = battery(ACPI, type="UPS", scope="System")
    assert batteries([of_a_mouse, battery(ACPI, type="Mains"), battery({})]) == []
    assert len(batteries([of_an_ups, battery(ACPI, scope="Unknown")])) == 2


# --- status ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("Charging", "charging"),
        ("Discharging", "discharging"),
        ("Full", "full"),
        ("Not charging", "not charging"),
        ("Empty", "empty"),
        ("Unknown", "unknown"),
        ("", "unknown"),
        ("Inhibited", "unknown"),
        (None, "unknown"),
    ],
)
def test_status(status: str | None, told: str) -> None:
    assert field("status", ACPI, status=status) == told


@pytest.mark.parametrize(("capacity", "told"), [("89", "not charging"), ("90", "full"), (None, "not charging")])
def test_one_that_is_full_enough_not_to_be_charged_is_full(capacity: str | None, told: str) -> None:
    assert field("status", {"type": "Battery"}, status="Not charging", capacity=capacity) == told


# --- what is in it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capacity", "told"),
    [("0", 0), ("7", 7), ("100", 100), ("104", 100), ("-3", 0), ("", 60), ("x", 60), ("99999999999", 60), (None, 60)],
)
def test_capacity_else_energy(capacity: str | None, told: int) -> None:
    assert field("capacity", ACPI, capacity=capacity) == told


def test_capacity_by_charge_needs_no_voltage() -> None:
    unknown = battery(CHARGE, voltage_now=None, voltage_min_design=None)
    assert record(unknown) == {"present": True, "status": "charging", "capacity": 50}


@pytest.mark.parametrize(
    ("other", "energy", "full"),
    [
        ({"energy_now": None}, 30.0, 50.0),
        ({"energy_now": "0"}, 30.0, 50.0),
        ({"energy_now": "0", "capacity": "0"}, 0.0, 50.0),
        ({"energy_now": "0", "energy_avg": "29000000"}, 29.0, 50.0),
        ({"energy_now": None, "capacity": None}, None, 50.0),
        ({"energy_now": "-30000000"}, 30.0, 50.0),
        ({"energy_full": None}, 30.0, 57.0),
        ({"energy_full": "0"}, 30.0, 57.0),
        ({"energy_full": "29000000"}, 30.0, 30.0),
        ({"energy_full": None, "energy_full_design": None}, None, None),
        ({"energy_full": "-1", "energy_full_design": None}, None, None),
    ],
)
def test_energy(other: dict[str, str | None], energy: float | None, full: float | None) -> None:
    told = record(battery(ACPI, **other))
    assert (told.get("energy"), told.get("energy_full")) == (energy, full)


@pytest.mark.parametrize(
    ("volts", "energy"),
    [
        ({"voltage_max_design": "12000000"}, 18.0),
        ({"voltage_max_design": "0"}, 15.0),
        ({"voltage_min_design": None, "voltage_now": "12200000"}, 18.3),
        ({"voltage_min_design": "10", "voltage_now": None}, None),
    ],
)
def test_which_voltage_makes_energy_of_charge(volts: dict[str, str | None], energy: float | None) -> None:
    assert field("energy", CHARGE, **volts) == energy


# --- power and time -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "power"),
    [
        ({"power_now": "-9040000"}, 9.0),
        ({"power_now": "0"}, 0.0),
        ({"power_now": "65535000000"}, None),
        ({"power_now": "300100000"}, None),
        ({"power_now": None, "current_now": "-1000000"}, 11.4),
        ({"power_now": "broken"}, None),
    ],
)
def test_power(other: dict[str, str | None], power: float | None) -> None:
    assert field("power", ACPI, **other) == power


@pytest.mark.parametrize(
    ("other", "empty", "full"),
    [
        ({"power_now": "15020000"}, 7200, None),
        ({"power_now": "0"}, None, None),
        ({"power_now": None}, None, None),
        ({"power_now": "125000"}, None, None),
        ({"power_now": "126000"}, 858300, None),
        ({"energy_now": None, "capacity": None}, None, None),
        ({"status": "Charging", "power_now": "19970000"}, None, 3600),
        ({"status": "Charging", "power_now": "998000"}, None, None),
        ({"status": "Charging", "energy_now": "50010000"}, None, None),
        ({"status": "Full"}, None, None),
        ({"status": "Unknown"}, None, None),
    ],
)
def test_time_left(other: dict[str, str | None], empty: int | None, full: int | None) -> None:
    told = record(battery(ACPI, **other))
    assert (told.get("time_to_empty"), told.get("time_to_full")) == (empty, full)


def test_a_battery_at_rest_gives_the_same_record_while_its_numbers_tremble() -> None:
    looks = [
        battery(ACPI, status="Full", power_now=power, voltage_now=volts)
        for power, volts in (("0", "12610000"), ("20000", "12590000"), ("-30000", "12640000"))
    ]
    assert [record(look) for look in looks] == [record(looks[0])] * 3


# --- together -------------------------------------------------------------------------------------


def test_one_battery_is_as_full_as_it_says() -> None:
    assert level(batteries([battery(ACPI, capacity="61")])) == 61


def test_several_count_by_their_energy() -> None:
    large = battery(ACPI, energy_now="10000000", energy_full="60000000", capacity="17")
    small = battery(ACPI, energy_now="20000000", energy_full="20000000", capacity="100")
    assert level(batteries([large, small])) == 37.5


def test_an_empty_bay_is_not_counted() -> None:
    assert level(batteries([battery(ACPI), battery(ACPI, present="0")])) == 60


def test_without_energies_they_count_alike() -> None:
    known = battery({"type": "Battery", "capacity": "30"})
    assert level(batteries([battery(ACPI), known])) == 45
    assert level(batteries([known, battery({"type": "Battery"})])) == 30


def test_nothing_known_is_no_level() -> None:
    assert level([]) is None
    assert level(batteries([battery({"type": "Battery"})])) is None


@pytest.mark.parametrize(
    ("share", "told"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.5, 2), (2.5, 3), (99.5, 100), (100.0000001, 100), (-0.1, 0)]
)
def test_halves_go_up(share: float, told: int) -> None:
    assert whole(share) == told
