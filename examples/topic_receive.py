"""Print the messages whose key matches one of the patterns: * is one word, # any number. Uses asyncio.

python examples/topic_receive.py 'kitchen.#' '*.*.hot'
python examples/topic_send.py kitchen.oven.hot "220 degrees"
"""

import asyncio
import sys

import pybus


async def main(patterns: list[str]) -> None:
    """Bind a queue of its own once for each pattern, and follow it until interrupted."""
    async with pybus.aio.connect() as bus:
        await bus.exchange("house", "topic")
        queue = await bus.queue(exclusive=True)
        for pattern in patterns:
            await queue.bind("house", pattern)
        async for message in await queue.consume(no_ack=True):
            print(f"{message.key}: {message.body}", flush=True)


try:
    asyncio.run(main(sys.argv[1:] or ["#"]))
except KeyboardInterrupt:
    pass
except pybus.PybusError as error:
    sys.exit(f"topic_receive: {error}")
