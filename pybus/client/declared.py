"""What a program has declared and consumes, to be declared and consumed again on another connection."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pybus.client.messages import Tray


class Declared:
    """A queue as this program declared it. name: the bus's choice if it was generated, and then another one later."""

    __slots__ = ("bindings", "generated", "how", "name")

    def __init__(self, name: str, generated: bool, how: dict[str, object]) -> None:
        self.name = name
        self.generated = generated
        self.how = how
        self.bindings: list[tuple[str, str, dict[str, object]]] = []


class Wanted:
    """A consumer: its queue, its tray, and how it consumes, as the bus's method takes it."""

    __slots__ = ("how", "queue", "tray")

    def __init__(self, queue: Declared, tray: Tray, how: dict[str, object]) -> None:
        self.queue = queue
        self.tray = tray
        self.how = how
