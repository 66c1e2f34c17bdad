"""A program on D-Bus that hears what the bus says: `python reader.py ADDRESS PATTERN`.

It prints a JSON line when it has subscribed, and one for each signal: its name, and the topic of a Message or
what a Missed counts. Stopped by SIGSTOP it does not read.
"""

import asyncio
import json
import sys

from pybus_services.dbus.bus import Bus, Signal

NAME, PATH, BUS1 = "org.pybus.Bus", "/org/pybus/Bus", "org.pybus.Bus1"


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)


def _hear(signal: Signal) -> None:
    _say([signal.member, signal.body[0] if signal.member == "Message" else signal.body[1]])


async def _listen(address: str, pattern: str) -> None:
    bus = await Bus.connect(address)
    await bus.watch(_hear, path=PATH, interface=BUS1)
    await bus.call(NAME, PATH, BUS1, "Subscribe", "s", [pattern])
    _say("ready")
    await asyncio.Event().wait()  # until it is killed


if __name__ == "__main__":
    asyncio.run(_listen(*sys.argv[1:]))
