"""Monitors see what becomes of messages: where each is routed to, who gets it, and how it ends."""

from __future__ import annotations

from typing import Any

from pybus.protocol.codec import pack
from pybus.protocol.frames import CONFIRM, MANDATORY, REDELIVERED, SIGNAL
from tests.broker.queues.scene import User, office
from tests.broker.scene import Scene


def watched() -> tuple[Scene, User, User, User]:
    """A scene in which carol watches messages, and no calls."""
    scene, alice, bob, carol = office()
    carol.ask("monitor", calls=False)
    return scene, alice, bob, carol


def seen(monitor: User) -> list[dict[str, Any]]:
    """What came since the last time, without what is always the same."""
    records = []
    for one in monitor.heard():
        assert (one.kind, one.key) == (SIGNAL, "bus.monitor")
        assert isinstance(one.value, dict)
        records.append({name: value for name, value in one.value.items() if value not in (None, [], {}, "", 0, False)})
    return records


def told(monitor: User) -> list[tuple[Any, ...]]:
    """The same in short: kind, exchange and key, and the queue or the queues."""
    return [
        (one["kind"], f"{one.get('exchange', '')}/{one.get('key', '')}", one.get("queue") or one.get("queues", []))
        for one in seen(monitor)
    ]


def test_a_message_is_followed_from_its_publisher_to_its_end() -> None:
    scene, alice, bob, carol = watched()
    alice.queue("jobs")
    tag = bob.consume("jobs")
    alice.tell("", "jobs", "lint", headers={"try": 1})
    scene.wait(1.5)
    bob.ack(1)
    around: dict[str, Any] = {"key": "jobs", "bodies": [pack("lint")], "size": 45, "count": 1}
    around["properties"] = {"headers": {"try": 1}}
    assert seen(carol) == [
        {**around, "kind": "publish", "at": 1000.0, "sender": 1, "queues": ["jobs"]},
        {**around, "kind": "deliver", "at": 1000.0, "sender": 1, "receivers": [2], "queue": "jobs", "consumer": tag},
        {
            "key": "jobs",
            "bodies": [b""],
            "size": 45,
            "count": 1,
            "kind": "ack",
            "at": 1001.5,
            "sender": 2,
            "queue": "jobs",
            "age": 1.5,
        },
    ]


def test_messages_that_come_together_are_one_record() -> None:
    _, alice, _, carol = watched()
    alice.queue("jobs")
    alice.send(alice.message("", "jobs", 1) + alice.message("", "jobs", 2))
    (shown,) = seen(carol)
    assert (shown["count"], shown["bodies"], shown["size"]) == (2, [pack(1), pack(2)], 52)


def test_the_queues_are_told_that_a_message_is_routed_to() -> None:
    _, alice, _, carol = watched()
    alice.ask("declare_exchange", "logs", "topic", arguments={"alternate-exchange": "amq.fanout"})
    alice.ask("declare_exchange", "wide", "fanout")
    alice.ask("bind_exchange", "wide", "logs", "app.#")
    alice.queue("errors", ("logs", "*.error"))
    alice.queue("all", ("wide", ""))
    alice.queue("rest", ("amq.fanout", ""))
    alice.queue("first", ("amq.headers", ""))
    alice.tell("logs", "app.error")
    alice.tell("logs", "other")
    alice.tell("", "nothing")
    alice.tell("", "nothing", None, MANDATORY)
    assert told(carol) == [
        ("publish", "logs/app.error", ["errors", "all"]),
        ("publish", "logs/other", ["rest"]),
        ("publish", "/nothing", []),
        ("publish", "/nothing", []),
        ("return", "/nothing", []),
    ]


def test_signals_are_told_with_the_queues_that_get_them() -> None:
    _, alice, bob, carol = watched()
    alice.queue("usb", ("amq.topic", "hal.usb.#"))
    alice.ask("bind_exchange", "amq.fanout", "amq.topic", "hal.#")
    alice.queue("hal", ("amq.fanout", ""))
    bob.consume("usb")
    bob.subscribe("hal.#")
    alice.publish("hal.usb.added", 1)
    alice.publish("app.x", 1)
    alice.tell("amq.topic", "hal.lid", 2)
    shown = seen(carol)
    assert [(one["kind"], one["key"], one.get("receivers"), one.get("queues")) for one in shown] == [
        ("signal", "hal.usb.added", [2], ["usb", "hal"]),
        ("deliver", "hal.usb.added", [2], None),
        ("signal", "app.x", None, None),
        ("publish", "hal.lid", None, ["hal"]),
        ("signal", "hal.lid", [2], None),
    ]


def test_what_consumers_do_with_messages_is_told() -> None:
    scene, alice, bob, carol = watched()
    alice.queue("jobs", arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
    alice.queue("dead")
    for number in range(3):
        alice.tell("", "jobs", number)
    assert bob.ask("get_message", "jobs", True)
    seen(carol)
    bob.consume("jobs")
    bob.requeue(2)
    bob.reject(3)
    shown = seen(carol)
    assert [(one["kind"], one["queue"], one["bodies"], one.get("flags", 0)) for one in shown] == [
        ("deliver", "jobs", [pack(1)], 0),
        ("deliver", "jobs", [pack(2)], 0),
        ("nack", "jobs", [b""], 0),
        ("deliver", "jobs", [pack(1)], REDELIVERED),
        ("reject", "jobs", [b""], 0),
        ("died", "jobs", [pack(2)], 0),
    ]
    assert (shown[-1]["queues"], shown[-1]["reason"]) == (["dead"], "rejected")
    assert bob.ask("get_message", "dead") is not None
    bob.leave()
    assert [(one["kind"], one["queue"], one.get("reason")) for one in seen(carol)] == [
        ("deliver", "dead", None),
        ("nack", "jobs", "its consumer has gone"),
        ("nack", "dead", "its consumer has gone"),
    ]
    scene.wait(1)


def test_what_goes_back_as_it_was_not_settled_in_time_is_told_with_that_reason() -> None:
    scene, alice, bob, carol = watched()
    alice.queue("jobs", arguments={"x-consumer-timeout": 1000})
    alice.tell("", "jobs", 1)
    bob.consume("jobs")
    seen(carol)
    scene.wait(1)
    assert [(one["kind"], one["queue"], one["sender"], one.get("reason")) for one in seen(carol)] == [
        ("nack", "jobs", bob.number, "not settled in time")
    ]


def test_what_a_queue_gives_up_is_told_even_if_it_goes_nowhere() -> None:
    scene, alice, _, carol = watched()
    alice.queue("short", arguments={"x-max-length": 1})
    alice.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    alice.queue("lost", arguments={"x-dead-letter-exchange": "nowhere", "x-message-ttl": 100})
    for _ in range(2):
        alice.tell("", "short")
        alice.tell("", "full")
    alice.tell("", "lost")
    scene.wait(1)
    shown = seen(carol)
    assert [(one["kind"], one.get("queue"), one.get("reason")) for one in shown if one["kind"] != "publish"] == [
        ("died", "short", "maxlen"),
        ("died", "full", "maxlen"),
        ("died", "lost", "expired"),
    ]
    assert all("exchange" not in one for one in shown)


def test_a_full_queue_s_refusal_is_an_error() -> None:
    _, alice, _, carol = office()
    carol.ask("monitor")
    alice.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    alice.tell("", "full", 1)
    alice.tell("", "full", 2, CONFIRM, serial=50)
    (error,) = [one for one in seen(carol) if one["kind"] == "error"]
    message = "queue 'full' has 1 messages and takes no more"
    assert (error["key"], error["serial"], error["receivers"]) == ("\0full", 50, [1])
    assert error["bodies"] == [pack(["org.pybus.Error.Nacked", message])]


def test_a_call_by_message_is_told_as_such() -> None:
    _, alice, bob, carol = watched()
    bob.ask("request_name", "org.example.Player")
    alice.tell("", "org.example.Player", [[], {}], type="play")
    assert [(one["kind"], one["service"]) for one in seen(carol) if one["kind"] == "publish"] == [
        ("publish", "org.example.Player")
    ]


def test_a_monitor_does_not_see_its_own_messages_nor_any_that_it_does_not_want() -> None:
    _, alice, bob, carol = watched()
    alice.queue("jobs")
    carol.tell("", "jobs", 1)
    carol.consume("jobs")
    assert [one.kind for one in carol.heard()] == [11]
    bob.ask("monitor", calls=False, messages=False)
    carol.ack(1)
    alice.tell("", "jobs", 2)
    assert (seen(bob), alice.broker.watchers) == ([], [alice.broker.observers[0]])
    carol.ask("monitor", messages=False)
    assert alice.broker.watchers == []
