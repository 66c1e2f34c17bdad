"""The hardware service as the bus starts it: when somebody asks, for as long as somebody listens."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

import pybus
from tests.cli.programs import run
from tests.daemon import BusDaemon

from . import beds
from .beds import change, devpath, plug, pull
from .hal_scene import PATIENCE, ROOMY, Bed, Scene, needs, needs_root, needs_umockdev

pytestmark = needs_umockdev

HAL = "org.pybus.Hal"
BUS = "org.pybus.Bus"


def offer(daemon: BusDaemon, bed: Bed, **keys: object) -> None:
    """Let the bus start the service when it is needed, on the bed's devices."""
    seen = [f"{name}={value}" for name, value in bed.environment.items()]
    command = [*ROOMY, "env", *seen, sys.executable, "-m", "pybus_services.hal", "--source", "udev"]
    lines = {"exec": command, "topics": ["hal.#"], **keys}
    daemon.offer(HAL, "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items()))
    daemon.configure('[services]\ndisabled = ["org.pybus.DBus"]\n')
    daemon.reload()


async def next_of(subscription: Any) -> pybus.Signal:
    async with asyncio.timeout(PATIENCE):
        found: pybus.Signal = await anext(subscription)
    return found


async def until(subscription: Any, event: str) -> dict[str, Any]:
    """The next thing of this name that the bus tells of the service."""
    while True:
        body = (await next_of(subscription)).body
        assert isinstance(body, dict)
        if body["event"] == event:
            return body


# --- starting and ending --------------------------------------------------------------------------


async def test_who_asks_for_a_value_starts_it_and_waits(people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    bed = await people.bed()
    await plug(bed, beds.LAPTOP)
    offer(daemon, bed)
    news = alice.subscribe(f"bus.service.{HAL}")
    assert (await alice.call(BUS, "service", HAL))["state"] == "stopped"
    assert await asyncio.to_thread(run, daemon, "pybus", "get", "hal.power.ac") == (0, "plugged\n", "")
    await until(news, "running")
    assert await alice.get("hal.power.battery.level") == 75
    code, out, err = await asyncio.to_thread(run, daemon, "pybus", "get", "hal.power.battery.low")
    assert (code, out, err) == (3, "", "pybus get: no value is retained under hal.power.battery.low\n")


async def test_who_listens_starts_it_and_the_last_one_to_go_ends_it(
    people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus
) -> None:
    bed = await people.bed()
    await plug(bed, beds.LAPTOP)
    offer(daemon, bed, idle=1)
    news = alice.subscribe(f"bus.service.{HAL}")
    listening = alice.subscribe("hal.power.ac")
    first = await next_of(listening)
    assert (first.body, first.retained) == ("plugged", False)
    await listening.close()
    assert (await until(news, "exited"))["expected"] is True
    assert await alice.call(BUS, "topics", "hal.#") == []
    again = alice.subscribe("hal.power.ac")
    assert (await next_of(again)).body == "plugged"


async def test_killed_amid_events_it_comes_back_with_the_truth(
    people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus
) -> None:
    """What alice hears of the plug is what was so, in its order, or that nobody knows."""
    bed = await people.bed()
    [mains, *_] = await plug(bed, beds.LAPTOP)
    offer(daemon, bed)
    news = alice.subscribe(f"bus.service.{HAL}")
    listening = alice.subscribe("hal.power.ac")
    lost = alice.subscribe("hal.lost")
    assert (await next_of(listening)).body == "plugged"
    pid = (await until(news, "running"))["pid"]
    for online in "0101010":
        await change(bed, mains, {"online": online}, {"POWER_SUPPLY_ONLINE": online})
    os.kill(pid, signal.SIGKILL)
    await until(news, "running")
    heard: list[object] = []
    while heard[-2:] != [None, "unplugged"]:
        heard.append((await next_of(listening)).body)
    assert (await next_of(lost)).body == {"why": "restart", "overflows": 0}
    *before, _, _ = heard
    assert before == (["unplugged", "plugged"] * 4)[: len(before)]
    await change(bed, mains, {"online": "1"}, {"POWER_SUPPLY_ONLINE": "1"})
    assert (await next_of(listening)).body == "plugged"


# --- the user's own rules -------------------------------------------------------------------------

RULES = """\
[battery]
low = 80
critical = 70

[[rule]]
subsystem = "usb"
action = "[ar]*"
topic = "desk.{ID_VENDOR}.{action}"
value = "{ID_MODEL} at {name}"

[[rule]]
subsystem = "usb"
topic = "desk."

[[rule]]
subsystem = "usb"
action = "add"
topic = "desk.last"
value = "{ID_MODEL}"
retain = true
[rule.properties]
ID_VENDOR_ID = "18*"
"""


async def test_rules_of_ones_own(people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    Path(daemon.configuration).with_name("hal.toml").write_text(RULES)
    bed = await people.bed()
    await plug(bed, beds.LAPTOP)
    offer(daemon, bed, topics=["hal.#", "desk.#"])
    news = alice.subscribe(f"bus.service.{HAL}")
    desk = alice.subscribe("desk.#", "hal.power.battery.low")
    await until(news, "running")
    paths = await plug(bed, beds.PHONE)
    await pull(bed, paths[:1])
    heard = [await next_of(desk) for _ in range(3)]
    assert [(one.topic, one.body) for one in heard] == [
        ("desk.Google.add", "Pixel_7 at 1-2"),
        ("desk.last", "Pixel_7"),
        ("desk.Google.remove", "Pixel_7 at 1-2"),
    ]
    assert await alice.get("desk.last") == "Pixel_7"
    [problem, serving] = await alice.call(BUS, "service_log", HAL)
    assert re.fullmatch(r"pybus-hal: .*/hal\.toml:13: \[\[rule\]\] topic: .+", problem)
    assert serving == "pybus-hal: serving"


# --- what it offers -------------------------------------------------------------------------------


async def test_its_methods(people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    bed = await people.bed()
    await plug(bed, beds.LAPTOP)
    [phone, interface] = await plug(bed, beds.PHONE)
    offer(daemon, bed)
    described = await alice.call(HAL, "introspect")
    assert [method["name"] for method in described["methods"]] == ["device", "devices", "simulate", "state"]

    found = await alice.call(HAL, "devices", "usb")
    assert [(one["path"], one["name"], one["subsystem"]) for one in found] == [
        (devpath(phone), "1-2", "usb"),
        (devpath(interface), "1-2:1.0", "usb"),
    ]
    assert found[0]["record"]["product"] == "Pixel 7"
    assert "record" not in found[1]

    for path in (phone, devpath(phone)):
        one = await alice.call(HAL, "device", path)
        assert one["properties"]["ID_MODEL"] == "Pixel_7"
        assert one["attributes"]["product"] == "Pixel 7"
        assert one["record"] == found[0]["record"]
    with pytest.raises(pybus.ServiceError, match="there is no device /devices/none"):
        await alice.call(HAL, "device", "/devices/none")

    state = await alice.call(HAL, "state")
    assert state == {one["topic"]: await alice.get(one["topic"]) for one in await alice.call(BUS, "topics", "hal.#")}
    assert state["hal.power.ac"] == "plugged"


async def test_what_is_pretended_goes_the_way_of_what_is_so(
    people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus
) -> None:
    bed = await people.bed()
    [mains, *_] = await plug(bed, beds.LAPTOP)
    offer(daemon, bed)
    listening = alice.subscribe("hal.power.ac", "hal.usb.added")
    assert (await next_of(listening)).body == "plugged"

    await alice.call(HAL, "simulate", "hal.power.ac", "unplugged")
    assert (await next_of(listening)).body == "unplugged"
    assert await alice.get("hal.power.ac") == "unplugged"
    assert (await alice.call(HAL, "state"))["hal.power.ac"] == "unplugged"
    await alice.call(HAL, "simulate", "hal.usb.added", {"product": "Unicorn"})
    one = await next_of(listening)
    assert (one.topic, one.body, one.retained) == ("hal.usb.added", {"product": "Unicorn"}, False)
    with pytest.raises(pybus.NoSuchValue):
        await alice.get("hal.usb.added")
    for topic in ("desk.docked", "hal.*", "hal.", "hal..x", "hal.a b", f"hal.{'x' * 300}"):
        with pytest.raises(pybus.InvalidArguments):
            await alice.call(HAL, "simulate", topic, True)
    with pytest.raises(pybus.LimitExceeded):
        await alice.call(HAL, "simulate", "hal.lid", "x" * 70_000)
    await alice.call(HAL, "simulate", "hal.display.hotplug", "card0")
    assert [one["topic"] for one in await alice.call(BUS, "topics", "hal.display.#")] == []

    await change(bed, mains, {"online": "1"}, {"POWER_SUPPLY_ONLINE": "1"})  # as it is: no longer unplugged
    assert (await next_of(listening)).body == "plugged"

    done = await asyncio.to_thread(run, daemon, "pybus-send", "hal.power.ac", "unplugged")
    assert done == (0, "", "")
    assert (await next_of(listening)).body == "unplugged"
    assert await alice.get("hal.power.ac") == "plugged"
    await change(bed, mains, {"online": "0"}, {"POWER_SUPPLY_ONLINE": "0"})
    assert (await next_of(listening)).body == "unplugged"
    await change(bed, mains, {"online": "1"}, {"POWER_SUPPLY_ONLINE": "1"})
    assert (await next_of(listening)).body == "plugged"


# --- what is left to try: many devices, many events -----------------------------------------------


async def test_a_thousand_devices_come_and_go(people: Scene, daemon: BusDaemon, alice: pybus.aio.Bus) -> None:
    bed = await people.bed()
    model = beds.ON_THE_DOCK[5]
    shape = [beds.usb(f"1-{number}", number, model) for number in range(1, 1001)]
    paths = await plug(bed, shape[:500])
    offer(daemon, bed)
    news = alice.subscribe(f"bus.service.{HAL}")
    listening = alice.subscribe("hal.usb.added", "hal.usb.removed", "hal.lost")
    await until(news, "running")
    assert len(await alice.call(HAL, "devices", "usb")) == 500
    paths += await plug(bed, shape[500:])
    await pull(bed, paths)
    heard = [await next_of(listening) for _ in range(1500)]
    assert [one.topic for one in heard] == ["hal.usb.added"] * 500 + ["hal.usb.removed"] * 1000
    assert [one.body["path"] for one in heard] == [devpath(path) for path in (*paths[500:], *reversed(paths))]


STORM = """\
import subprocess
for number in range(10_000):
    with open("/sys/class/net/pbv0/uevent", "w") as file:
        file.write("online")
    if number % 1000 == 0:
        subprocess.run(["ip", "link", "set", "pbv1", "up" if number // 1000 % 2 else "down"], check=True)
subprocess.run(["ip", "link", "set", "pbv1", "down"], check=True)
"""
"""10 000 events of an interface, as fast as can be, while its other end is switched on and off."""


@needs_root
@needs("unshare", "nsenter", "ip", "mount")
async def test_in_a_storm_the_newest_state_wins_and_calls_are_answered(people: Scene, alice: pybus.aio.Bus) -> None:
    """The events of an interface are heard in its own network namespace only."""
    own = ("unshare", "--net", "--mount", "sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "sh")
    service = await people.service("--source", "kernel", under=own)
    inside = ("nsenter", f"--target={service.process.pid}", "--net", "--mount")
    listening = alice.subscribe("hal.net.pbv0.link", "hal.net.online")
    link = "ip link add pbv0 type veth peer name pbv1; ip link set pbv0 up; ip link set pbv1 up"
    assert await (await people.start(*inside, "sh", "-ec", link)).wait() == 0
    while (await next_of(listening)).body != "up":
        pass
    storm = await people.start(*inside, sys.executable, "-c", STORM)
    ended = asyncio.create_task(storm.wait())
    answered = 0
    while not ended.done():
        async with asyncio.timeout(PATIENCE):
            assert "hal.net.pbv0.link" in await alice.call(HAL, "state")
        answered += 1
    assert (ended.result(), answered > 0) == (0, True)
    events, link_state = 0, ""
    while events < 10_000 or link_state != "down":
        one = await next_of(listening)
        if one.topic == "hal.net.online":
            events += 1
        else:
            link_state = one.body
    assert await alice.get("hal.net.pbv0.link") == "down"
