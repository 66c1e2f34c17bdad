"""Put commands into a queue, where they wait until a worker has run them; see work_receive.py.

python examples/work_send.py "make -C ~/src/pybus lint" "notify-send 'all is well'"
pybus queue
"""

import sys

import pybus

if len(sys.argv) < 2:
    sys.exit("usage: work_send.py COMMAND...")

try:
    with pybus.connect() as bus:
        queue = bus.queue("work", durable=True)
        with bus.confirming():  # all are safe when the block ends
            for command in sys.argv[1:]:
                queue.publish(command, persistent=True)
except pybus.PybusError as error:
    sys.exit(f"work_send: {error}")
