"""What comes and goes on a desk, and every message that a listener in another process gets of it."""

from . import beds
from .beds import change, devpath, plug, pull
from .hal_desk import cleared, event, kept, raw, set_up
from .hal_scene import Scene, needs_umockdev

pytestmark = needs_umockdev


# --- the laptop itself ----------------------------------------------------------------------------

FULL = {
    "present": True,
    "status": "full",
    "capacity": 100,
    "energy": 20.0,
    "energy_full": 20.0,
    "power": 0.0,
    "voltage": 12.0,
}
HALF = {
    "present": True,
    "status": "charging",
    "capacity": 50,
    "energy": 10.0,
    "energy_full": 20.0,
    "power": 10.0,
    "voltage": 12.0,
    "time_to_full": 3600,
}


async def test_a_laptop_with_two_batteries_is_unplugged_and_plugged_in(people: Scene) -> None:
    desk, [mains, _, battery] = await set_up(people, beds.LAPTOP)
    assert await desk.heard() == [
        kept("hal.power.ac", "plugged"),
        kept("hal.power.battery.BAT0", FULL),
        kept("hal.power.battery.BAT1", HALF),
        kept("hal.power.battery.level", 75),
        kept("hal.power.source", "ac"),
    ]

    await change(desk.bed, mains, {"online": "0"}, {"POWER_SUPPLY_ONLINE": "0"})
    assert await desk.heard() == [
        event("hal.power.ac", "unplugged"),
    ]

    await change(desk.bed, battery, {"status": "Discharging", "power_now": "5000000"}, {})
    assert await desk.heard() == [
        event("hal.power.source", "battery"),
        event(
            "hal.power.battery.BAT1",
            {
                "present": True,
                "status": "discharging",
                "capacity": 50,
                "energy": 10.0,
                "energy_full": 20.0,
                "power": 5.0,
                "voltage": 12.0,
                "time_to_empty": 7200,
            },
        ),
    ]

    await change(desk.bed, mains, {"online": "1"}, {"POWER_SUPPLY_ONLINE": "1"})
    assert await desk.heard() == [
        event("hal.power.ac", "plugged"),
        event("hal.power.source", "ac"),
    ]

    charging = {"POWER_SUPPLY_STATUS": "Charging"}
    await change(desk.bed, battery, {"status": "Charging", "power_now": "10000000"}, charging)
    assert await desk.heard() == [
        event("hal.power.battery.BAT1", HALF),
    ]


async def test_its_radios_are_switched_off_by_a_program_and_by_the_switch(people: Scene) -> None:
    desk, [of_laptop, wlan, of_adapter] = await set_up(people, beds.RADIOS)
    assert await desk.heard() == [
        kept("hal.rfkill.bluetooth", "unblocked"),
        kept("hal.rfkill.wlan", "unblocked"),
    ]

    await change(desk.bed, of_adapter, {"soft": "1", "state": "0"}, {"RFKILL_STATE": "0"})
    assert await desk.heard() == []

    await change(desk.bed, of_laptop, {"hard": "1", "state": "2"}, {"RFKILL_STATE": "2"})
    assert await desk.heard() == [
        event("hal.rfkill.bluetooth", "blocked"),
        event("hal.rfkill.bluetooth.by", "soft"),
    ]

    await change(desk.bed, of_adapter, {"soft": "0", "state": "1"}, {"RFKILL_STATE": "1"})
    assert await desk.heard() == [
        event("hal.rfkill.bluetooth", "unblocked"),
        cleared("hal.rfkill.bluetooth.by"),
    ]

    await pull(desk.bed, [wlan])
    assert await desk.heard() == [cleared("hal.rfkill.wlan")]


async def test_its_screen_is_dimmed_by_a_key_and_by_a_program(people: Scene) -> None:
    desk, [panel] = await set_up(people, beds.BACKLIGHT)
    topic = "hal.backlight.intel_backlight"
    assert await desk.heard() == [kept(topic, {"percent": 70, "source": "unknown"})]

    await change(desk.bed, panel, {"brightness": "600", "actual_brightness": "600"}, {"SOURCE": "hotkey"})
    assert await desk.heard() == [
        event(topic, {"percent": 60, "source": "hotkey"}),
    ]

    await change(desk.bed, panel, {"brightness": "455", "actual_brightness": "455"}, {"SOURCE": "sysfs"})
    assert await desk.heard() == [
        event(topic, {"percent": 46, "source": "sysfs"}),
    ]


async def test_a_monitor_is_plugged_in_and_out(people: Scene) -> None:
    desk, [card, _, hdmi, _] = await set_up(people, beds.SCREENS)
    assert await desk.heard() == [
        kept("hal.display.DP-1", "disconnected"),
        kept("hal.display.HDMI-A-1", "disconnected"),
        kept("hal.display.eDP-1", "connected"),
    ]
    for status in ("connected", "disconnected"):
        await desk.bed.do("set", hdmi, "status", status)
        await change(desk.bed, card, {}, {"HOTPLUG": "1"})
        assert await desk.heard() == [
            event("hal.display.hotplug", "card0"),
            event("hal.display.HDMI-A-1", status),
        ]


async def test_its_lid_is_no_input_of_a_person(people: Scene) -> None:
    desk, _ = await set_up(people)
    paths = await plug(desk.bed, beds.LID)
    assert await desk.heard() == [raw(device, "add") for device in beds.LID]
    await pull(desk.bed, paths)
    assert await desk.heard() == [raw(device, "remove") for device in reversed(beds.LID)]


# --- gadgets --------------------------------------------------------------------------------------


def on_the_dock(place: int, kind: str) -> dict[str, object]:
    """The record of the dock's nth gadget."""
    model = beds.ON_THE_DOCK[place - 1]
    vendor_id, product_id = model.ids.split(":")
    return {
        "path": f"/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.{place}",
        "vendor_id": vendor_id,
        "product_id": product_id,
        "vendor": model.vendor,
        "product": model.product,
        **({"serial": model.serial} if model.serial else {}),
        "bus": 1,
        "address": 20 + place,
        "kind": kind,
    }


THE_DOCK = [
    {
        "path": "/devices/pci0000:00/0000:00:14.0/usb1/1-1",
        "vendor_id": "17ef",
        "product_id": "1010",
        "vendor": "Lenovo",
        "product": "ThinkPad Dock Hub",
        "bus": 1,
        "address": 20,
        "kind": "hub",
    },
    on_the_dock(1, "keyboard"),
    on_the_dock(2, "mouse"),
    on_the_dock(3, "network"),
    on_the_dock(4, "audio"),
    on_the_dock(5, "video"),
    on_the_dock(6, "storage"),
    on_the_dock(7, "storage"),
    on_the_dock(8, "printer"),
    on_the_dock(9, "smartcard"),
    on_the_dock(10, "other"),
    on_the_dock(11, "input"),
    on_the_dock(12, "bluetooth"),
]


async def test_a_dock_comes_and_goes_with_all_that_is_plugged_into_it(people: Scene) -> None:
    desk, _ = await set_up(people)
    assert await desk.heard() == []
    paths = await plug(desk.bed, beds.DOCK)
    assert await desk.heard() == [event("hal.usb.added", record) for record in THE_DOCK]
    await pull(desk.bed, paths)
    assert await desk.heard() == [event("hal.usb.removed", record) for record in reversed(THE_DOCK)]


async def test_what_was_there_before_the_service_is_told_when_it_goes(people: Scene) -> None:
    desk, paths = await set_up(people, beds.DOCK)
    assert await desk.heard() == []
    await pull(desk.bed, paths)
    assert await desk.heard() == [event("hal.usb.removed", record) for record in reversed(THE_DOCK)]


async def test_a_phone_comes_and_goes(people: Scene) -> None:
    desk, _ = await set_up(people)
    paths = await plug(desk.bed, beds.PHONE)
    phone = {
        "path": devpath(paths[0]),
        "vendor_id": "18d1",
        "product_id": "4ee1",
        "vendor": "Google",
        "product": "Pixel 7",
        "serial": "2A171FDH200KTX",
        "bus": 1,
        "address": 9,
        "kind": "phone",
    }
    assert await desk.heard() == [event("hal.usb.added", phone), raw(beds.PHONE[1], "add")]
    await pull(desk.bed, paths)
    assert await desk.heard() == [raw(beds.PHONE[1], "remove"), event("hal.usb.removed", phone)]


async def test_a_card_is_put_into_the_reader_and_taken_out(people: Scene) -> None:
    desk, [reader] = await set_up(people, beds.CARD_READER)
    empty = {
        "path": devpath(reader),
        "node": "/dev/sdb",
        "kind": "card",
        "size": 0,
        "removable": True,
        "drive": "Generic STORAGE DEVICE",
        "bus": "usb",
    }
    filled = {**empty, "size": 512 * int(beds.CARD_SECTORS)}
    partition = {
        "path": f"{devpath(reader)}/sdb1",
        "node": "/dev/sdb1",
        "kind": "partition",
        "label": "EOS DIGITAL",
        "uuid": "3165-3533",
        "filesystem": "vfat",
        "size": 512 * 62325760,
        "removable": True,
        "drive": "Generic STORAGE DEVICE",
        "bus": "usb",
    }
    assert await desk.heard() == []

    await change(desk.bed, reader, {"size": beds.CARD_SECTORS}, {"DISK_MEDIA_CHANGE": "1"})
    card = await plug(desk.bed, beds.CARD)
    assert await desk.heard() == [
        event("hal.block.changed", filled),
        event("hal.block.media.inserted", "/dev/sdb"),
        event("hal.block.added", partition),
    ]

    await pull(desk.bed, card)
    await change(desk.bed, reader, {"size": "0"}, {"DISK_MEDIA_CHANGE": "1"})
    assert await desk.heard() == [
        event("hal.block.removed", partition),
        event("hal.block.changed", empty),
        event("hal.block.media.ejected", "/dev/sdb"),
    ]

    await pull(desk.bed, [reader])
    assert await desk.heard() == [event("hal.block.removed", empty)]


async def test_a_mouse_connects_by_bluetooth_and_tires(people: Scene) -> None:
    desk, _ = await set_up(people, beds.ADAPTER)
    assert await desk.heard() == []
    link, device, node, _ = beds.MOUSE
    power = "hal.power.device.hid-00:1f:20:f3:4c:55-battery"
    connection = {"path": f"/devices/{link.path}", "name": "hci0:256", "kind": "connection"}
    mouse = {
        "path": f"/devices/{node.path}",
        "node": "/dev/input/event12",
        "name": "Bluetooth Mouse M557",
        "kind": "mouse",
    }
    charge = {
        "present": True,
        "status": "discharging",
        "online": True,
        "capacity": 85,
        "model": "Bluetooth Mouse M557",
        "kind": "mouse",
    }

    paths = await plug(desk.bed, beds.MOUSE)
    told = await desk.heard()
    assert [one for one in told if one[0] != power] == [
        event("hal.bluetooth.added", connection),
        raw(device, "add"),
        event("hal.input.added", mouse),
    ]
    assert [one for one in told if one[0] == power] == [event(power, charge)]

    await change(desk.bed, paths[3], {"capacity": "10"}, {"POWER_SUPPLY_CAPACITY": "10"})
    assert await desk.heard() == [
        event(power, {**charge, "capacity": 10}),
    ]

    await pull(desk.bed, paths[3:])
    assert await desk.heard() == [cleared(power)]
    await pull(desk.bed, paths[:3])
    assert await desk.heard() == [
        event("hal.input.removed", mouse),
        raw(device, "remove"),
        event("hal.bluetooth.removed", connection),
    ]


async def test_a_headset_is_told_when_it_is_ready(people: Scene) -> None:
    """udevd tells of the card as it appears, and again when all of it is there."""
    desk, _ = await set_up(people)
    [card] = await plug(desk.bed, beds.HEADSET)
    assert await desk.heard() == [raw(beds.HEADSET[0], "add")]

    await change(desk.bed, card, {}, beds.HEADSET_READY)
    headset = {"path": devpath(card), "number": 1, "id": "H390", "name": "Logitech USB Headset", "bus": "usb"}
    assert await desk.heard() == [event("hal.sound.added", headset)]

    await pull(desk.bed, [card])
    assert await desk.heard() == [event("hal.sound.removed", headset)]
