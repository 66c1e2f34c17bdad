"""Ask whoever answers a queue, and print the reply.

python examples/answer.py
python examples/ask.py "6 * 7"

A worker that ends before it has answered costs nothing: the question goes to another one. Every service
can be asked like that, too, by its name as the queue:

    bus.request("", "org.pybus.Hal", [["usb"], {}], type="devices")
"""

import sys

import pybus

if len(sys.argv) < 2:
    sys.exit("usage: ask.py TEXT...")

try:
    with pybus.connect() as bus:
        print(bus.queue("questions").request(" ".join(sys.argv[1:]), timeout=10).body)
except pybus.DeadlinePassed:
    sys.exit("ask: nobody answered within 10 s; is an answer.py running?")
except pybus.PybusError as error:
    sys.exit(f"ask: {error}")
