"""Send a message to one queue, by its name, and know that it got there.

pybus queue declare letters
python examples/direct_send.py letters "dear bob"
pybus-listen --queue letters
"""

import sys

import pybus

if len(sys.argv) < 3:
    sys.exit("usage: direct_send.py QUEUE TEXT...")
name, *words = sys.argv[1:]

try:
    with pybus.connect() as bus:
        # The default exchange "" passes each message to the queue whose name is its key.
        bus.publish_to("", name, " ".join(words), mandatory=True, confirm=True)
except pybus.Unroutable:
    sys.exit(f"direct_send: there is no queue {name!r}; make one by: pybus queue declare {name}")
except pybus.PybusError as error:
    sys.exit(f"direct_send: {error}")
