"""Run the commands that work_send.py has put into the queue. Start as many of these as shall run at once:

python examples/work_receive.py
python examples/work_send.py "make -C ~/src/pybus lint" "notify-send 'all is well'"

A command whose worker ends before it, whatever way, is run again by another one.
"""

import subprocess
import sys

import pybus


def main() -> None:
    """Run one command after the other, until interrupted."""
    with pybus.connect() as bus:
        queue = bus.queue("work", durable=True)
        for message in queue.consume(prefetch=1):  # no more than one in hand, so that others get theirs
            with message:  # acked in the end, or given back on an error
                again = " again, as its worker has ended" if message.redelivered else ""
                print(f"running {message.body!r}{again}", flush=True)
                code = subprocess.call(message.body, shell=True)
                print(f"{message.body!r} exited with status {code}", flush=True)


try:
    main()
except KeyboardInterrupt:
    pass
except pybus.PybusError as error:
    sys.exit(f"work_receive: {error}")
