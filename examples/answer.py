"""Answer the questions of ask.py, which are products such as "6 * 7". Start as many of these as shall work at once:

python examples/answer.py
python examples/ask.py "6 * 7"
"""

import sys

import pybus


def product(question: object) -> str:
    """What the numbers give, multiplied; or why that can't be said."""
    try:
        one, other = str(question).split("*")
        return str(int(one) * int(other))
    except ValueError:
        return f"{question!r} is no product of two whole numbers"


try:
    with pybus.connect() as bus:
        for message in bus.queue("questions").consume(prefetch=1):
            with message:  # acked once it is answered
                message.reply(product(message.body))
except KeyboardInterrupt:
    pass
except pybus.PybusError as error:
    sys.exit(f"answer: {error}")
