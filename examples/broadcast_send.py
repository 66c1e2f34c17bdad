"""Send a message to everybody who listens now; see broadcast_receive.py.

python examples/broadcast_send.py "dinner is ready"
"""

import sys

import pybus

text = " ".join(sys.argv[1:]) or "hello"

try:
    with pybus.connect() as bus:
        bus.exchange("broadcast", "fanout").publish(body=text, confirm=True)
except pybus.PybusError as error:
    sys.exit(f"broadcast_send: {error}")
