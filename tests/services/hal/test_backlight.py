"""Backlights to `hal.backlight.*`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybus_services.hal.backlight import Backlights, backlight_state
from pybus_services.hal.device import Device


def panel(source: str = "", **attributes: str) -> Device:
    """An Intel laptop's; source: that of the event which it is read after."""
    device = Device(
        "/devices/pci0000:00/0000:00:02.0/drm/card0/card0-eDP-1/intel_backlight",
        "intel_backlight",
        "backlight",
        attributes={"max_brightness": "1515", **attributes},
    )
    if not source:
        return device
    return device._replace(action="change", properties={"ACTION": "change", "SOURCE": source})


def told(percent: int, source: str) -> dict[str, object]:
    return {"hal.backlight.intel_backlight": {"percent": percent, "source": source}}


def test_the_first_look_does_not_know_what_changed_it() -> None:
    assert Backlights().values([panel(brightness="720", actual_brightness="757")]) == told(50, "unknown")


def test_an_event_says_what_changed_it_and_later_looks_keep_that() -> None:
    backlights = Backlights()
    backlights.values([panel(actual_brightness="1515")])
    assert backlights.values([panel("hotkey", actual_brightness="909")]) == told(60, "hotkey")
    assert backlights.values([panel(actual_brightness="909")]) == told(60, "hotkey")
    assert backlights.values([panel("sysfs", actual_brightness="606")]) == told(40, "sysfs")
    assert backlights.values([panel(actual_brightness="606")]) == told(40, "sysfs")


def test_an_event_without_a_source_keeps_it() -> None:
    """`udevadm trigger` makes such events."""
    backlights = Backlights()
    backlights.values([panel("hotkey", actual_brightness="909")])
    triggered = panel(actual_brightness="909")._replace(action="change", properties={"ACTION": "change"})
    assert backlights.values([triggered]) == told(60, "hotkey")


def test_without_an_event_a_property_is_no_source() -> None:
    left_over = panel("hotkey", actual_brightness="909")._replace(action="")
    assert Backlights().values([left_over]) == told(60, "unknown")


def test_an_empty_source_is_an_unknown_one() -> None:
    odd = panel(actual_brightness="909")._replace(action="change", properties={"SOURCE": ""})
    assert Backlights().values([odd]) == told(60, "unknown")


def test_a_change_that_no_event_told_of_is_of_an_unknown_source() -> None:
    backlights = Backlights()
    backlights.values([panel("hotkey", actual_brightness="909")])
    assert backlights.values([panel(actual_brightness="0")]) == told(0, "unknown")


def test_an_event_that_comes_after_the_look_still_says_it() -> None:
    backlights = Backlights()
    assert backlights.values([panel(actual_brightness="909")]) == told(60, "unknown")
    assert backlights.values([panel("sysfs", actual_brightness="909")]) == told(60, "sysfs")


def test_each_backlight_has_its_own_memory_which_goes_with_it() -> None:
    backlights = Backlights()
    other = panel(actual_brightness="0")._replace(path="/devices/acpi_video0", name="acpi_video0")
    assert backlights.values([panel("hotkey", actual_brightness="909"), other]) == {
        **told(60, "hotkey"),
        "hal.backlight.acpi_video0": {"percent": 0, "source": "unknown"},
    }
    assert backlights.values([other]) == {"hal.backlight.acpi_video0": {"percent": 0, "source": "unknown"}}
    assert backlights.values([panel(actual_brightness="909")]) == told(60, "unknown")


@pytest.mark.parametrize(
    ("actual", "percent"), [("0", 0), ("7", 0), ("8", 1), ("1507", 99), ("1508", 100), ("1515", 100), ("2000", 100)]
)
def test_percent_is_whole(actual: str, percent: int) -> None:
    assert Backlights().values([panel(actual_brightness=actual)]) == told(percent, "unknown")


@pytest.mark.parametrize("actual", ["", "-19", "?", "9" * 30])
def test_without_the_actual_brightness_the_wanted_one_counts(actual: str) -> None:
    assert Backlights().values([panel(actual_brightness=actual, brightness="303")]) == told(20, "unknown")


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"actual_brightness": "5", "max_brightness": "0"},
        {"actual_brightness": "5", "max_brightness": ""},
        {"actual_brightness": "x", "brightness": "²"},
    ],
)
def test_one_that_can_not_be_read_has_no_value(attributes: dict[str, str]) -> None:
    assert Backlights().values([panel(**attributes)]) == {}


_NAMES = st.sampled_from(["max_brightness", "actual_brightness", "brightness"])
_NUMBERS = st.integers(-5, 300).map(str) | st.text(max_size=3)


@given(st.lists(st.tuples(st.text(max_size=2), st.dictionaries(_NAMES, _NUMBERS))))
def test_whatever_is_read_percent_is_within_0_and_100(looks: list[tuple[str, dict[str, str]]]) -> None:
    backlights = Backlights()
    for source, attributes in looks:
        for value in backlights.values([panel(source, **attributes)]).values():
            assert isinstance(value, dict)
            assert value["percent"] in range(101)
            assert value["source"]


def test_the_row() -> None:
    assert backlight_state()[:3] == (
        "backlight",
        "hal.backlight.*",
        ("max_brightness", "actual_brightness", "brightness"),
    )
    assert backlight_state().values([panel("sysfs", actual_brightness="1515")]) == told(100, "sysfs")
