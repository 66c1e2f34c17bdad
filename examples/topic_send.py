"""Send a message under a key of words with dots; see topic_receive.py.

python examples/topic_send.py kitchen.oven.hot "220 degrees"
"""

import sys

import pybus

if len(sys.argv) < 3:
    sys.exit("usage: topic_send.py KEY TEXT...")
key, *words = sys.argv[1:]

try:
    with pybus.connect() as bus:
        bus.exchange("house", "topic").publish(key, " ".join(words), confirm=True)
except pybus.PybusError as error:
    sys.exit(f"topic_send: {error}")
