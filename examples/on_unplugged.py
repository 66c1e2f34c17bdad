"""Say it when the mains are unplugged, and how long they were. Uses asyncio.

Start it beside a bus with the hardware service (`pybus run`), pull the plug, or pretend:

    pybus-send hal.power.ac unplugged
"""

import asyncio
import time

import pybus


async def main() -> None:
    """Follow the state of the mains until interrupted."""
    since = time.monotonic()
    async with pybus.aio.connect() as bus:
        async for signal in bus.subscribe("hal.power.ac"):
            seconds = time.monotonic() - since
            since = time.monotonic()
            print(f"{signal.body} (after {seconds:.0f} s)", flush=True)


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
