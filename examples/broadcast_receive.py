"""Print what is broadcast. Start it in one terminal or in several, then in another one:

python examples/broadcast_send.py "dinner is ready"
"""

import sys

import pybus


def main() -> None:
    """Have a queue of its own at the exchange, which copies each message to all queues, until interrupted."""
    with pybus.connect() as bus:
        bus.exchange("broadcast", "fanout")
        queue = bus.queue(exclusive=True)  # the bus chooses a name, and deletes it when this program ends
        queue.bind("broadcast")
        for message in queue.consume(no_ack=True):
            print(message.body, flush=True)


try:
    main()
except KeyboardInterrupt:
    pass
except pybus.PybusError as error:
    sys.exit(f"broadcast_receive: {error}")
