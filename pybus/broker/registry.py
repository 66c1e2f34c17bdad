"""Well-known names: who owns each and who waits for it, by the rules of D-Bus.

The rules are those of RequestName and ReleaseName in the D-Bus specification, "Message Bus
Messages". Whatever changes an owner returns the `NameChange`, which the caller has to announce.
"""

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class NameChange(NamedTuple, Generic[T]):
    """A name passed from `old` to `new`; None is nobody."""

    name: str
    old: T | None
    new: T | None


class _Claim(Generic[T]):
    """One peer's wish for a name."""

    __slots__ = ("allow_replacement", "peer", "queue")

    def __init__(self, peer: T, allow_replacement: bool, queue: bool) -> None:
        self.peer = peer
        self.allow_replacement = allow_replacement
        self.queue = queue


class NameRegistry(Generic[T]):
    """Names to their claims; the first claim is the owner's.

    owners: the owner of each name, keyed by the name's bytes as they stand in a call's key; for
    look-ups only.
    """

    def __init__(self) -> None:
        self._claims: dict[str, list[_Claim[T]]] = {}
        self.owners: dict[bytes, T] = {}

    def owner(self, name: str) -> T | None:
        """Who owns the name, or None."""
        claims = self._claims.get(name)
        return claims[0].peer if claims else None

    def waiting(self, name: str) -> list[T]:
        """Who waits for the name, next in line first; the owner is not among them."""
        return [claim.peer for claim in self._claims.get(name, [])[1:]]

    def names(self) -> list[str]:
        """All names that have an owner."""
        return list(self._claims)

    def request(
        self, name: str, peer: T, *, allow_replacement: bool, replace: bool, queue: bool
    ) -> tuple[str, NameChange[T] | None]:
        """Claim a name. Returns "owner", "already owner", "queued" or "taken", and the change if any.

        allow_replacement: another peer that asks with `replace` may take the name from this one.
        replace: take the name from an owner who allows it. queue: wait if the name is not free; an
        owner without it leaves the line when replaced.
        """
        claims = self._claims.setdefault(name, [])
        own = next((claim for claim in claims if claim.peer == peer), None)
        if own is not None:
            own.allow_replacement = allow_replacement
            own.queue = queue
        if not claims:
            claims.append(_Claim(peer, allow_replacement, queue))
            self.owners[name.encode()] = peer
            return "owner", NameChange(name, None, peer)
        if claims[0] is own:
            return "already owner", None
        if replace and claims[0].allow_replacement:
            return "owner", self._replace(name, own or _Claim(peer, allow_replacement, queue))
        if not queue:
            if own is not None:
                claims.remove(own)
            return "taken", None
        if own is None:
            claims.append(_Claim(peer, allow_replacement, queue))
        return "queued", None

    def release(self, name: str, peer: T) -> tuple[str, NameChange[T] | None]:
        """Give up a name or the wait for it: "released", "not owner" or "no such name", and the change."""
        claims = self._claims.get(name)
        if not claims:
            return "no such name", None
        own = next((claim for claim in claims if claim.peer == peer), None)
        if own is None:
            return "not owner", None
        was_owner = claims[0] is own
        claims.remove(own)
        return "released", self._changed(name, peer) if was_owner else None

    def suspend(self, name: str) -> None:
        """Let `owners` not find the name any more, until it changes hands or is resumed: its owner is about to end."""
        self.owners.pop(name.encode(), None)

    def resume(self, name: str) -> None:
        """Let `owners` find the name again."""
        claims = self._claims.get(name)
        if claims:
            self.owners[name.encode()] = claims[0].peer

    def _replace(self, name: str, claim: _Claim[T]) -> NameChange[T]:
        claims = self._claims[name]
        if claim in claims:
            claims.remove(claim)
        former = claims[0]
        if not former.queue:
            del claims[0]
        claims.insert(0, claim)
        return self._changed(name, former.peer)

    def _changed(self, name: str, old: T) -> NameChange[T]:
        claims = self._claims[name]
        if not claims:
            del self._claims[name]
            self.owners.pop(name.encode(), None)
            return NameChange(name, old, None)
        self.owners[name.encode()] = claims[0].peer
        return NameChange(name, old, claims[0].peer)
