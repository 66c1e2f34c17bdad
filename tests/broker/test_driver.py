"""The bus's own object: each of its methods, and what it refuses."""

import pytest

from pybus.broker.driver import METHODS
from pybus.broker.queues.methods import METHODS as QUEUE_METHODS
from pybus.errors import (
    AccessDenied,
    BadName,
    BusError,
    InvalidArguments,
    NameHasNoOwner,
    NoSuchValue,
    UnknownMethod,
)
from pybus.names import BUS_NAME
from pybus.plain import is_compiled
from pybus.protocol.frames import CALL, RAW, RETAIN, frame
from tests.broker.scene import Person, Scene, acquaintance, call, name_change, refusal, signal, trio

NAME = "org.example.Player"


def refused(error: type[BusError], who: Person, method: str, *args: object) -> str:
    with pytest.raises(error) as caught:
        who.ask(method, *args)
    return caught.value.message


# --- names ----------------------------------------------------------------------------------------


def test_a_name_is_requested_waited_for_and_released() -> None:
    _, alice, bob, carol = trio()
    carol.subscribe(f"bus.name.{NAME}")
    assert alice.ask("request_name", NAME) == "owner"
    assert alice.ask("request_name", NAME) == "already owner"
    assert bob.ask("request_name", NAME, False, False, False) == "taken"
    assert bob.ask("request_name", NAME) == "queued"
    assert carol.ask("release_name", NAME) == "not owner"
    assert alice.ask("release_name", NAME) == "released"
    assert bob.ask("release_name", NAME) == "released"
    assert bob.ask("release_name", NAME) == "no such name"
    assert carol.heard() == [
        name_change(NAME, None, alice),
        name_change(NAME, alice, bob),
        name_change(NAME, bob, None),
    ]


def test_a_name_may_be_taken_from_one_who_allows_it() -> None:
    _, alice, bob, carol = trio()
    carol.subscribe("bus.name.#")
    alice.ask("request_name", NAME, True, False, False)
    assert bob.ask("request_name", NAME, False, True) == "owner"
    assert carol.heard() == [name_change(NAME, None, alice), name_change(NAME, alice, bob)]
    assert (list(alice.peer.names), list(bob.peer.names)) == ([], [NAME])


def test_one_who_was_replaced_and_waits_gets_the_name_back() -> None:
    _, alice, bob, carol = trio()
    alice.ask("request_name", NAME, True)
    bob.ask("request_name", NAME, False, True)
    bob.leave()
    assert carol.ask("owner", NAME) == alice.name


def test_one_who_stops_waiting_holds_the_name_no_more() -> None:
    _, alice, bob, _ = trio()
    alice.ask("request_name", NAME)
    bob.ask("request_name", NAME)
    assert bob.ask("request_name", NAME, False, False, False) == "taken"
    assert list(bob.peer.names) == []


def test_a_change_is_announced_before_its_cause_is_answered() -> None:
    _, alice, _, _ = trio()
    alice.subscribe("bus.name.#")
    serial = alice.call(BUS_NAME, "request_name", NAME)
    change, answered = alice.heard()
    assert change == name_change(NAME, None, alice)
    assert (answered.serial, answered.value) == (serial, "owner")


def test_a_name_that_is_none_and_the_buss_own_are_refused() -> None:
    _, alice, _, _ = trio()
    assert refused(BadName, alice, "request_name", "player") == (
        "name 'player' has one word; a service name has two or more, such as org.example.player"
    )
    assert refused(AccessDenied, alice, "request_name", BUS_NAME) == "org.pybus.Bus is the bus's own name"
    assert refused(BadName, alice, "release_name", ":1").startswith("name ':1'")


def test_all_names_are_listed_with_their_lines() -> None:
    _, alice, bob, carol = trio()
    for who, name in ((bob, "b.b"), (alice, "a.a"), (carol, "b.b"), (alice, "b.b")):
        who.ask("request_name", name)
    assert carol.ask("names") == [
        {"name": "a.a", "owner": alice.name, "waiting": []},
        {"name": "b.b", "owner": bob.name, "waiting": [carol.name, alice.name]},
    ]


def test_a_names_owner_is_told_if_it_has_one() -> None:
    _, alice, bob, _ = trio()
    alice.ask("request_name", NAME)
    assert bob.ask("owner", NAME) == ":1"
    assert bob.ask("owner", ":1") == ":1"
    assert refused(NameHasNoOwner, bob, "owner", "a.b") == "nobody owns the name a.b"
    assert refused(NameHasNoOwner, bob, "owner", ":9") == "nobody owns the name :9"


# --- signals --------------------------------------------------------------------------------------


def test_subscribing_once_more_hands_out_the_kept_values_once_more_and_nothing_else() -> None:
    _, alice, bob, _ = trio()
    alice.publish("a", 1, RETAIN)
    bob.subscribe("a", "a")
    bob.subscribe("a", "#")
    assert [one.value for one in bob.heard()] == [1, 1]
    alice.publish("a", 2)
    assert bob.heard() == [signal(alice, "a", 2)]
    bob.ask("unsubscribe", ["a", "a", "never.had"])
    bob.ask("unsubscribe", ["#"])
    alice.publish("a", 3)
    assert bob.heard() == []


def test_kept_values_need_not_be_handed_out() -> None:
    _, alice, bob, _ = trio()
    alice.publish("a", 1, RETAIN)
    bob.ask("subscribe", ["a"], False)
    assert bob.heard() == []


def test_one_bad_pattern_refuses_them_all() -> None:
    scene, alice, bob, _ = trio()
    alice.publish("a", 1, RETAIN)
    assert refused(BadName, bob, "subscribe", ["a", "b.c*"]) == (
        "pattern 'b.c*': a wildcard stands for whole words, so 'c*' can't be one"
    )
    assert refused(InvalidArguments, bob, "subscribe", ["a", 1]) == ("patterns must be text, and 1 is not")
    assert (list(bob.peer.patterns), scene.broker.signals.index.match("a"), bob.heard()) == ([], [], [])


def test_a_kept_value_can_be_had_without_subscribing() -> None:
    scene, alice, bob, _ = trio()
    alice.publish("a", "on", RETAIN)
    kept = {"topic": "a", "sender": ":1", "ephemeral": False, "holder": None}
    scene.wait(2.5)
    assert bob.ask("get", "a") == {**kept, "body": b"\xa2on", "raw": False, "age": 2.5}
    alice.publish("a", b"\xc1", RETAIN)
    assert bob.ask("get", "a") == {**kept, "body": b"\xc1", "raw": True, "age": 0.0}
    assert refused(NoSuchValue, bob, "get", "b") == "no value is retained under b"
    assert refused(BadName, bob, "get", "#").startswith("topic '#' holds a wildcard")


def test_the_kept_topics_are_listed_with_who_set_them() -> None:
    _, alice, bob, carol = trio()
    alice.publish("a.b", 1, RETAIN)
    bob.publish("a.a", 2, RETAIN)
    bob.publish("c", 3, RETAIN)
    bob.leave()
    both = {"raw": False, "age": 0.0, "ephemeral": False, "holder": None}
    first = {"topic": "a.a", "body": b"\x02", "sender": ":2", "program": None, **both}
    second = {"topic": "a.b", "body": b"\x01", "sender": ":1", "program": "alice", **both}
    assert carol.ask("topics", "a.#") == [first, second]
    assert carol.ask("topics") == [first, second, {**first, "topic": "c", "body": b"\x03"}]


def test_a_will_can_be_exchanged_and_taken_back() -> None:
    _, alice, bob, carol = trio()
    carol.subscribe("#")
    for who in (alice, bob):
        who.ask("set_will", "first", b"\x01")
        who.ask("set_will", "second", b"\x02", True)
    bob.ask("clear_will")
    alice.leave()
    bob.leave()
    assert carol.heard() == [signal(alice, "second", b"\x02", flags=RAW)]


def test_a_will_must_have_a_topic_that_people_may_use() -> None:
    _, alice, _, _ = trio()
    assert refused(AccessDenied, alice, "set_will", "bus.x", b"") == (
        "topic bus.x: the topics under 'bus.' are the bus's own"
    )
    assert refused(BadName, alice, "set_will", "", b"") == "a topic can't be empty"
    assert alice.peer.will is None


# --- who is here ----------------------------------------------------------------------------------


def test_a_connection_is_described() -> None:
    scene, alice, bob, _ = trio()
    alice.ask("request_name", NAME)
    bob.ask("request_name", NAME)
    bob.ask("request_name", "org.example.Other")
    bob.subscribe("a", "b.#")
    alice.publish("a", 1)
    scene.wait(3)
    assert alice.ask("peer", bob.name) == {
        "name": ":2",
        "names": ["org.example.Other"],
        "waiting_for": [NAME],
        "uid": 1000,
        "pid": 102,
        "program": "bob",
        "executable": "/bin/bob",
        "age": 3.0,
        "patterns": 2,
        "sent": 3,
        "received": 5,
        "dropped": 0,
        "queued": 22,
        "monitor": False,
        "bytes_sent": 0,
        "bytes_received": 174,
        "answered": 0,
        "answer_time": 0.0,
        "rate": 0.0,
        "slowed": False,
        "slowed_seconds": 0.0,
    }
    by_name = alice.ask("peer", NAME)
    assert isinstance(by_name, dict)
    assert (by_name["name"], by_name["names"], by_name["waiting_for"]) == (":1", [NAME], [])


def test_all_connections_are_listed_in_the_order_in_which_they_came() -> None:
    _, alice, bob, carol = trio()
    bob.leave()
    found = alice.ask("peers")
    assert isinstance(found, list)
    assert [one["name"] for one in found] == [alice.name, carol.name]
    assert refused(NameHasNoOwner, alice, "peer", bob.name) == "nobody owns the name :2"


def test_the_bus_tells_its_numbers() -> None:
    scene, alice, bob, carol = trio()
    alice.ask("request_name", NAME)
    bob.subscribe("a", "#")
    bob.publish("a", "on", RETAIN)
    carol.publish("b", "on")
    carol.leave()
    bob.call(NAME, "play")
    alice.heard()
    scene.wait(4)
    assert alice.ask("stats") == {
        "version": "1.2.3",
        "compiled": is_compiled(),
        "uptime": 4.0,
        "peers": 2,
        "names": 1,
        "patterns": 2,
        "routes": 2,
        "queues": 0,
        "queued_messages": 0,
        "unacked_messages": 0,
        "queue_memory": 0,
        "retained": 1,
        "retained_bytes": 3,
        "open_calls": 1,
        "late_answers": 0,
        "queued_bytes": 2 * 24,
        "received": 6,
        "delivered": 3 + 2 + 2 + 2,
        "dropped": 0,
        "services": 0,
        "running": 0,
        "monitors": 0,
        "slowed": 0,
        "storms": 0,
        "loops": 0,
        "bytes_received": 0,
        "bytes_delivered": 466,
    }


def test_a_ping_is_answered_with_nothing() -> None:
    assert Scene().join("alice").ask("ping") is None


# --- the call itself ------------------------------------------------------------------------------


def test_the_bus_describes_itself_like_any_service() -> None:
    found = Scene().join("alice").ask("introspect")
    assert isinstance(found, dict)
    methods = {one["name"]: one for one in found["methods"]}
    assert sorted(methods) == sorted([*METHODS, *QUEUE_METHODS])
    assert found["doc"].startswith("The bus itself")
    assert methods["subscribe"] == {
        "name": "subscribe",
        "doc": "Get the signals that match one of the patterns, and first the retained values that do.",
        "parameters": [
            {"name": "patterns", "type": "list", "kind": "plain"},
            {"name": "retained", "type": "bool", "kind": "plain", "default": True},
        ],
        "returns": "none",
    }


def test_a_method_that_the_bus_does_not_have_is_refused() -> None:
    alice = Scene().join("alice")
    assert refused(UnknownMethod, alice, "fly").startswith(
        "no method 'fly'; there are: bind_exchange, bind_queue, bindings, "
    )
    assert refused(UnknownMethod, alice, "_find").startswith("no method '_find'; there are: ")
    assert refused(UnknownMethod, alice, "").startswith("no method ''; there are: ")


def test_wrong_arguments_are_refused() -> None:
    alice = Scene().join("alice")
    assert refused(InvalidArguments, alice, "owner", 7) == "owner(): argument 'name' must be str, not int"
    assert refused(InvalidArguments, alice, "ping", 7) == (
        "ping(): too many positional arguments; it is ping() -> none"
    )


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"\xc1", "the body is not valid msgpack: FormatError"),
        (b"\x90", "a call's body must be an array of two: positional arguments and a map of named ones"),
    ],
)
def test_a_malformed_body_is_refused(body: bytes, complaint: str) -> None:
    alice = Scene().join("alice")
    alice.send(frame(CALL, 0, alice.number, 0, 5, b"org.pybus.Bus ping", body))
    assert alice.heard() == [refusal(alice, 5, InvalidArguments, complaint)]


def test_named_arguments_do_as_well() -> None:
    alice = Scene().join("alice")
    alice.send(frame(CALL, 0, alice.number, 0, 5, b"org.pybus.Bus request_name", b"\x92\x90\x81\xa4name\xa3a.b"))
    assert [one.value for one in alice.heard()] == ["owner"]


def test_a_refused_call_changes_nothing_for_others() -> None:
    _, alice, bob, _ = trio()
    alice.ask("request_name", NAME)
    refused(InvalidArguments, bob, "request_name", NAME, "yes")
    serial = bob.call(NAME, "play")
    assert alice.heard() == [acquaintance(alice, bob), call(bob, serial, f"{NAME} play")]
