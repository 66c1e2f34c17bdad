"""What the person wants contacts to be told, and what the locked screen makes of it."""

from .presence import AVAILABLE, AWAY, Presence


class Wanted:
    """asked: what the person has asked for last."""

    def __init__(self, asked: Presence) -> None:
        self.asked = asked
        self._locked = False
        self._left = False

    def ask(self, presence: Presence) -> None:
        """The person asks for this, which stands whether the screen is locked or not, until it is locked anew."""
        self.asked = presence
        self._left = False

    def lock(self, locked: bool) -> None:
        """The screen is locked, or is not. To hear the same once more changes nothing.

        Who is available has left with that. Who is away, not to be disturbed or offline stays so.
        """
        if locked != self._locked:
            self._left = locked and self.asked.status == AVAILABLE
        self._locked = locked

    def told(self, *, away_when_locked: bool) -> Presence:
        """What to tell now. Who has left is away without a message, as it was one of somebody who is there."""
        return Presence(AWAY) if self._left and away_when_locked else self.asked
