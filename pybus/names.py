"""The grammar of every name on the bus, and which pattern matches which topic.

| word | form | example |
|---|---|---|
| topic | words joined by dots | `hal.power.ac` |
| pattern | the same, where `*` is exactly one word and `#` is zero or more | `hal.#`, `*.power.*` |
| name | two words or more of letters, digits, `_`, `-`; no word begins with a digit or `-` | `org.example.Player` |
| unique name | a colon and the connection's number | `:17` |
| method | a Python identifier that does not begin with `_` | `play` |

A word of a topic is any printable text without a dot, a blank, `*` or `#`. A topic and a pattern
have at most 255 bytes in UTF-8 (as AMQP 0-9-1 section 4.2.5.3 has it for a routing key) and at most
32 words; a well-known name has 240 and 30, so that `bus.name.` before it is a topic still.

Each `check_` function returns what it was given, or raises `InvalidName` saying what is wrong and
how it should be. No regular expressions: importing `re` would cost the small commands half their
start.
"""

from pybus.errors import InvalidName

BUS_NAME = "org.pybus.Bus"
AMQ_TOPIC = "amq.topic"
"""The exchange that signals go through."""
MAX_BYTES = 255
MAX_WORDS = 32
MAX_NAME_BYTES = 240
MAX_NAME_WORDS = 30
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def check_topic(topic: str) -> str:
    """A topic, as one publishes to it. Raises `InvalidName`."""
    for word in _words("topic", topic):
        if "*" in word or "#" in word:
            raise InvalidName(f"topic {topic!r} holds a wildcard: '*' and '#' are for patterns only")
    return topic


def check_pattern(pattern: str) -> str:
    """A pattern, as one subscribes to it. Raises `InvalidName`."""
    for word in _words("pattern", pattern):
        if len(word) > 1 and ("*" in word or "#" in word):
            raise InvalidName(f"pattern {pattern!r}: a wildcard stands for whole words, so {word!r} can't be one")
    return pattern


def check_name(name: str) -> str:
    """A well-known name. Raises `InvalidName`."""
    words = _words("name", name, MAX_NAME_BYTES, MAX_NAME_WORDS)
    if len(words) < 2:
        raise InvalidName(f"name {name!r} has one word; a service name has two or more, such as org.example.{name}")
    for word in words:
        if not _NAME_LETTERS.issuperset(word) or word[0].isdigit() or word[0] == "-":
            raise InvalidName(
                f"name {name!r}: {word!r} must be letters, digits, '_' or '-', and begin with a letter or '_'"
            )
    return name


def check_destination(name: str) -> str:
    """A name that can be called: well-known, or unique (`:17`). Raises `InvalidName`."""
    if name.startswith(":"):
        if unique_number(name) is None:
            raise InvalidName(f"name {name!r}: a unique name is a colon and a number, such as :17")
        return name
    return check_name(name)


def check_method(method: str) -> str:
    """A method's name. Raises `InvalidName`."""
    if not method.isidentifier() or method.startswith("_"):
        raise InvalidName(f"method {method!r} must be an identifier that does not begin with '_'")
    if len(method.encode()) > MAX_BYTES:
        raise InvalidName(f"method {method[:40]!r}... is longer than {MAX_BYTES} bytes")
    return method


def unique_name(number: int) -> str:
    """The unique name of the connection with this number; 0 is the bus itself."""
    return f":{number}" if number else BUS_NAME


def unique_number(name: str) -> int | None:
    """The number in a unique name such as `:17`, or None if it is none."""
    digits = name[1:]
    if name[:1] == ":" and digits.isascii() and digits.isdigit() and digits[0] != "0" and len(digits) <= 10:
        return int(digits)
    return None


def matches(pattern: str, topic: str) -> bool:
    """Whether the pattern matches the topic; both well-formed.

    A wildcard at the beginning does not stand for `bus`: who listens to everything does not mean the
    bus's own comings and goings, and asks for them by `bus.#`.

    Walks the topic once with the set of places in the pattern that it may have reached, so the time
    is bounded by the product of their words, however many `#` there are.
    """
    wanted = pattern.split(".")
    if wanted[0] in ("*", "#") and is_own(topic):
        return False
    places = _skip_hashes(wanted, {0})
    for word in topic.split("."):
        reached = set()
        for place in places:
            if place < len(wanted):
                if wanted[place] == "#":
                    reached.add(place)
                elif wanted[place] in ("*", word):
                    reached.add(place + 1)
        places = _skip_hashes(wanted, reached)
    return len(wanted) in places


def is_own(topic: str) -> bool:
    """Whether a topic is one of the bus's own, which nobody else may publish to."""
    return topic.startswith("bus.") or topic == "bus"


def overlap(one: str, other: str) -> bool:
    """Whether some topic is matched by both patterns; both well-formed. Time: the product of their words."""
    rows, columns = one.split("."), other.split(".")
    for row, column in zip(rows, columns, strict=False):  # before any # they go word by word, and most differ there
        if "#" in (row, column):
            break
        if row != column and "*" not in (row, column):
            return False
    after = [all(word == "#" for word in columns[column:]) for column in range(len(columns) + 1)]
    for row in reversed(rows):
        here = [False] * len(columns) + [row == "#" and after[-1]]
        for place, column in reversed(list(enumerate(columns))):
            if "#" in (row, column):  # it stands for no word more, or for one of the other's
                here[place] = after[place] or here[place + 1]
            elif row == column or "*" in (row, column):
                here[place] = after[place + 1]
        after = here
    return after[0]


def _skip_hashes(wanted: list[str], places: set[int]) -> set[int]:
    """The places, and those reached from them by letting a `#` stand for no word."""
    for place in sorted(places):
        while place < len(wanted) and wanted[place] == "#":
            place += 1
            places.add(place)
    return places


def _words(what: str, text: str, most_bytes: int = MAX_BYTES, most_words: int = MAX_WORDS) -> list[str]:
    if not isinstance(text, str):
        raise InvalidName(f"a {what} must be text, not {text!r}")
    if not text:
        raise InvalidName(f"a {what} can't be empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidName(f"{what} {text!r} can't be written in UTF-8") from None
    if size > most_bytes:
        raise InvalidName(f"{what} {text[:40]!r}... has {size} bytes, at most {most_bytes} are allowed")
    if " " in text or not text.isprintable():
        raise InvalidName(f"{what} {text!r} holds a blank or a character that can't be printed")
    words = text.split(".")
    if len(words) > most_words:
        raise InvalidName(f"{what} {text[:40]!r}... has {len(words)} words, at most {most_words} are allowed")
    if "" in words:
        raise InvalidName(f"{what} {text!r} has an empty word: join words by single dots, with none at the ends")
    return words
