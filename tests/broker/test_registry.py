"""Well-known names, by the rules of RequestName and ReleaseName in the D-Bus specification."""

from pybus.broker.registry import NameChange, NameRegistry

NAME = "org.example.Player"


class Claims:
    """A registry, and people who claim NAME in it."""

    def __init__(self) -> None:
        self.registry: NameRegistry[str] = NameRegistry()

    def request(
        self, who: str, *, allow: bool = False, replace: bool = False, queue: bool = True
    ) -> tuple[str, NameChange[str] | None]:
        return self.registry.request(NAME, who, allow_replacement=allow, replace=replace, queue=queue)

    def release(self, who: str) -> tuple[str, NameChange[str] | None]:
        return self.registry.release(NAME, who)

    def line(self) -> list[str | None]:
        """The owner, then those who wait; the look-up table must name the same owner."""
        owner = self.registry.owner(NAME)
        assert self.registry.owners.get(NAME.encode()) == owner
        assert self.registry.names() == ([NAME] if owner else [])
        return [owner, *self.registry.waiting(NAME)]


def change(old: str | None, new: str | None) -> NameChange[str]:
    return NameChange(NAME, old, new)


# --- request --------------------------------------------------------------------------------------


def test_a_free_name_is_given_to_whoever_asks() -> None:
    for replace in (False, True):
        for queue in (False, True):
            claims = Claims()
            assert claims.request("alice", replace=replace, queue=queue) == ("owner", change(None, "alice"))
            assert claims.line() == ["alice"]


def test_the_owner_who_asks_again_is_told_so() -> None:
    claims = Claims()
    claims.request("alice")
    assert claims.request("alice", replace=True, queue=False) == ("already owner", None)
    assert claims.line() == ["alice"]


def test_the_others_wait_in_the_order_in_which_they_came() -> None:
    claims = Claims()
    claims.request("alice")
    assert claims.request("bob") == ("queued", None)
    assert claims.request("carol") == ("queued", None)
    assert claims.line() == ["alice", "bob", "carol"]


def test_who_does_not_want_to_wait_is_told_that_it_is_taken() -> None:
    claims = Claims()
    claims.request("alice")
    assert claims.request("bob", queue=False) == ("taken", None)
    assert claims.line() == ["alice"]


def test_an_owner_who_does_not_allow_it_is_not_replaced() -> None:
    claims = Claims()
    claims.request("alice")
    assert claims.request("bob", replace=True) == ("queued", None)
    assert claims.request("carol", replace=True, queue=False) == ("taken", None)
    assert claims.line() == ["alice", "bob"]


def test_an_owner_who_allows_it_is_not_replaced_unasked() -> None:
    claims = Claims()
    claims.request("alice", allow=True)
    assert claims.request("bob") == ("queued", None)
    assert claims.request("carol", queue=False) == ("taken", None)
    assert claims.line() == ["alice", "bob"]


def test_a_replaced_owner_who_queues_is_the_next_in_line() -> None:
    claims = Claims()
    claims.request("alice", allow=True)
    claims.request("bob")
    assert claims.request("carol", replace=True) == ("owner", change("alice", "carol"))
    assert claims.line() == ["carol", "alice", "bob"]


def test_a_replaced_owner_who_does_not_queue_has_lost_the_name() -> None:
    claims = Claims()
    claims.request("alice", allow=True, queue=False)
    claims.request("bob")
    assert claims.request("carol", replace=True, queue=False) == ("owner", change("alice", "carol"))
    assert claims.line() == ["carol", "bob"]


def test_one_who_waits_may_replace_the_owner_and_is_in_the_line_once() -> None:
    claims = Claims()
    claims.request("alice", allow=True)
    claims.request("bob")
    claims.request("carol")
    assert claims.request("carol", replace=True) == ("owner", change("alice", "carol"))
    assert claims.line() == ["carol", "alice", "bob"]


def test_the_owners_last_request_says_whether_it_allows_replacement() -> None:
    claims = Claims()
    claims.request("alice")
    claims.request("alice", allow=True)
    assert claims.request("bob", replace=True) == ("owner", change("alice", "bob"))
    claims.request("alice", allow=False)
    claims.release("bob")
    assert claims.request("bob", replace=True) == ("queued", None)
    assert claims.line() == ["alice", "bob"]


def test_the_owners_last_request_says_whether_it_queues_when_replaced() -> None:
    claims = Claims()
    claims.request("alice", allow=True)
    claims.request("alice", allow=True, queue=False)
    claims.request("bob", replace=True)
    assert claims.line() == ["bob"]


def test_one_who_waits_and_asks_again_keeps_its_place() -> None:
    claims = Claims()
    claims.request("alice")
    claims.request("bob")
    claims.request("carol")
    assert claims.request("bob", allow=True) == ("queued", None)
    assert claims.line() == ["alice", "bob", "carol"]
    claims.release("alice")
    assert claims.request("carol", replace=True) == ("owner", change("bob", "carol"))


def test_one_who_waits_and_asks_without_waiting_leaves_the_line() -> None:
    claims = Claims()
    claims.request("alice")
    claims.request("bob")
    claims.request("carol")
    assert claims.request("bob", queue=False) == ("taken", None)
    assert claims.line() == ["alice", "carol"]


# --- release --------------------------------------------------------------------------------------


def test_a_released_name_passes_to_the_next_in_line() -> None:
    claims = Claims()
    for who in ("alice", "bob", "carol"):
        claims.request(who)
    assert claims.release("alice") == ("released", change("alice", "bob"))
    assert claims.line() == ["bob", "carol"]


def test_a_name_that_nobody_waits_for_is_free_after_its_release() -> None:
    claims = Claims()
    claims.request("alice")
    assert claims.release("alice") == ("released", change("alice", None))
    assert claims.line() == [None]
    assert claims.release("alice") == ("no such name", None)
    assert claims.request("bob") == ("owner", change(None, "bob"))


def test_one_who_waits_may_leave_the_line_and_the_owner_stays() -> None:
    claims = Claims()
    for who in ("alice", "bob", "carol"):
        claims.request(who)
    assert claims.release("bob") == ("released", None)
    assert claims.line() == ["alice", "carol"]


def test_who_has_no_claim_can_not_release() -> None:
    claims = Claims()
    assert claims.release("bob") == ("no such name", None)
    claims.request("alice")
    assert claims.release("bob") == ("not owner", None)
    assert claims.line() == ["alice"]


def test_each_name_has_its_own_line() -> None:
    registry: NameRegistry[str] = NameRegistry()
    for name, who in (("a.b", "alice"), ("a.c", "bob"), ("a.c", "alice")):
        registry.request(name, who, allow_replacement=False, replace=False, queue=True)
    registry.release("a.b", "alice")
    assert registry.names() == ["a.c"]
    assert registry.owners == {b"a.c": "bob"}
    assert registry.waiting("a.c") == ["alice"]
    assert registry.waiting("a.b") == []
