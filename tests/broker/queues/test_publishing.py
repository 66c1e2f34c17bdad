"""From a publisher to queues: routes, refusals, returns, confirms."""

from typing import Any

import pytest

from pybus.limits import Limits
from pybus.protocol.codec import pack
from pybus.protocol.frames import CONFIRM, MANDATORY, PUBLISH, RAW, frame
from tests.broker.queues.scene import Got, office
from tests.broker.scene import signal


def test_a_message_to_the_default_exchange_gets_into_the_queue_of_its_key() -> None:
    _, alice, bob, _ = office()
    assert bob.queue("jobs") == "jobs"
    bob.consume("jobs")
    alice.tell("", "jobs", {"file": "a.py"})
    assert bob.got() == [Got("", "jobs", {"file": "a.py"})]
    assert alice.heard() == []


def test_messages_wait_in_their_order_for_a_consumer() -> None:
    _, alice, bob, _ = office()
    bob.queue("jobs")
    for number in range(3):
        alice.tell("", "jobs", number)
    assert bob.ask("declare_queue", "jobs") == {"queue": "jobs", "messages": 3, "consumers": 0}
    bob.consume("jobs")
    assert bob.values() == [0, 1, 2]


def test_frames_that_arrive_together_are_messages_of_their_own() -> None:
    _, alice, bob, _ = office()
    bob.queue("jobs")
    bob.consume("jobs")
    alice.send(b"".join(alice.message("", "jobs", number, CONFIRM, number) for number in (1, 2, 3)))
    assert bob.values() == [1, 2, 3]
    assert alice.told() == [("confirmed", 3, "multiple")]


def test_raw_bodies_and_properties_arrive_as_they_were_sent() -> None:
    _, alice, bob, _ = office()
    bob.queue("jobs")
    bob.consume("jobs")
    alice.tell("", "jobs", b"\x00\xff", content_type="image/png", headers={"a": 1})
    (heard,) = bob.heard()
    assert (heard.flags, heard.sender) == (RAW, alice.number)
    assert heard.value == ({"content_type": "image/png", "headers": {"a": 1}}, b"\x00\xff")


def test_a_message_for_nobody_is_dropped_unless_it_is_mandatory() -> None:
    _, alice, _, _ = office()
    alice.tell("", "nobody", 1)
    assert alice.told() == []
    alice.tell("", "nobody", 1, MANDATORY, 7)
    assert alice.told() == [("returned", 7, 1)]


def test_a_returned_message_is_confirmed_after_its_return() -> None:
    _, alice, _, _ = office()
    alice.tell("amq.direct", "nobody", 1, MANDATORY | CONFIRM, 7)
    assert alice.told() == [("returned", 7, 1), ("confirmed", 7)]


def test_an_unknown_exchange_is_refused_by_amqp_s_words() -> None:
    _, alice, _, _ = office()
    alice.tell("myfanout", "", 1, serial=5)
    assert alice.told() == [("NotFound", 5, "NOT_FOUND - no exchange 'myfanout' in vhost '/'")]


def test_each_refused_message_that_was_to_be_confirmed_has_its_own_answer() -> None:
    _, alice, _, _ = office()
    text = "NOT_FOUND - no exchange 'x' in vhost '/'"
    alice.send(alice.message("x", "", 1, CONFIRM, 1) + alice.message("x", "", 1, CONFIRM, 2))
    assert alice.told() == [("NotFound", 1, text), ("NotFound", 2, text)]
    alice.send(alice.message("x", "", 1, serial=3) + alice.message("x", "", 1, serial=4))
    assert alice.told() == [("NotFound", 4, text + " (2 messages)")]


def test_an_internal_exchange_takes_messages_from_exchanges_only() -> None:
    _, alice, bob, _ = office()
    alice.ask("declare_exchange", "intex", "fanout", internal=True)
    alice.ask("bind_exchange", "intex", "amq.fanout")
    bob.queue("q", ("intex", ""))
    bob.consume("q")
    alice.tell("intex", "", 1, serial=5)
    text = "ACCESS_REFUSED - cannot publish to internal exchange 'intex' in vhost '/'"
    assert alice.told() == [("AccessRefused", 5, text)]
    alice.tell("amq.fanout", "k", 2)
    assert bob.got() == [Got("amq.fanout", "k", 2)]


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"expiration": "abc"}, "PreconditionFailed: PRECONDITION_FAILED - invalid expiration 'abc': no_integer"),
        ({"user_id": "bob"}, "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was '1000'"),
        ({"colour": "red"}, "a message has no property 'colour'; what is your own belongs into its headers"),
        ({"priority": 256}, "the property 'priority' can't be 256"),
        (
            {"headers": {"CC": "x"}},
            'PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,"CC",longstr}',
        ),
        ({"expiration": "-1"}, "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}"),
        ({"expiration": "1.5"}, "PRECONDITION_FAILED - invalid expiration '1.5': {leftover_string,\".5\"}"),
        ({"expiration": ""}, "PRECONDITION_FAILED - invalid expiration '': no_integer"),
        (
            {"expiration": "315360000001"},
            "PRECONDITION_FAILED - invalid expiration '315360000001': {value_too_large,315360000001}",
        ),
    ],
)
def test_what_is_wrong_with_a_message_is_said(properties: dict[str, Any], text: str) -> None:
    _, alice, bob, _ = office()
    bob.queue("q")
    alice.tell("", "q", 1, serial=3, **properties)
    ((_, serial, message),) = alice.told()
    assert (serial, message) == (3, text.removeprefix("PreconditionFailed: "))
    assert bob.ask("get_message", "q") is None


def test_an_expiration_may_be_ten_years_and_is_a_number_however_it_is_written() -> None:
    scene, alice, bob, _ = office()
    for text, seconds in (("315360000000", 315_360_000), ("0" * 5000 + "1500", 1.5), ("+2000", 2), ("-0", 0)):
        bob.queue("q")
        alice.tell("", "q", text, expiration=text)
        assert scene.broker.next_deadline() == (scene.now + seconds if seconds else None)
        bob.ask("delete_queue", "q")
    alice.tell("", "q", 1, expiration="9" * 5000)
    ((_, _, message),) = alice.told()
    assert message.startswith("PRECONDITION_FAILED - invalid expiration '999")


def test_properties_that_are_longer_than_the_message_are_refused() -> None:
    _, alice, bob, _ = office()
    bob.queue("q")
    alice.send(frame(PUBLISH, 0, alice.number, 9, 3, b"\0q", pack({"type": "ab"})[:8]))
    assert alice.told() == [("InvalidArguments", 3, "a message of 8 bytes can't have 9 of properties")]


def test_copies_go_to_further_keys_and_blind_ones_are_not_seen() -> None:
    _, alice, bob, _ = office()
    for name in ("a", "b", "c"):
        bob.queue(name)
        bob.consume(name, no_ack=True)
    alice.tell("", "a", 1, headers={"CC": ["b"], "BCC": ["c"], "x": 1})
    expected = ({"headers": {"CC": ["b"], "x": 1}}, 1)
    assert bob.values() == [expected] * 3


def test_a_confirm_is_negative_if_a_queue_rejects() -> None:
    _, alice, bob, _ = office()
    bob.queue("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    alice.tell("", "full", 1, CONFIRM, 1)
    alice.tell("", "full", 2, CONFIRM, 2)
    alice.tell("", "full", 3)
    assert alice.told() == [("confirmed", 1), ("nacked", 2)]
    assert bob.ask("purge_queue", "full") == 1


# --- amq.topic is the topics of the signals -----------------------------------------------------------


def test_a_queue_collects_the_signals_that_match_its_binding() -> None:
    _, alice, bob, carol = office()
    bob.queue("events", ("amq.topic", "hal.#"))
    carol.subscribe("hal.power.ac")
    alice.publish("hal.power.ac", "plugged")
    alice.publish("net.up", 1)
    alice.send(alice.signal("hal.usb", 1) + alice.signal("hal.usb", 2))
    assert carol.heard() == [signal(alice, "hal.power.ac", "plugged")]
    bob.consume("events")
    assert bob.got() == [
        Got("amq.topic", "hal.power.ac", "plugged"),
        Got("amq.topic", "hal.usb", 1),
        Got("amq.topic", "hal.usb", 2),
    ]


def test_a_message_to_amq_topic_reaches_subscribers_as_a_signal() -> None:
    _, alice, bob, carol = office()
    bob.queue("events", ("amq.topic", "hal.#"))
    bob.consume("events")
    carol.subscribe("hal.*")
    alice.tell("amq.topic", "hal.usb", "stick", MANDATORY, 4, message_id="m1")
    assert carol.heard() == [signal(alice, "hal.usb", "stick")]
    assert bob.got() == [Got("amq.topic", "hal.usb", ({"message_id": "m1"}, "stick"))]
    alice.tell("amq.topic", "net.up", 1, MANDATORY, 5)
    assert alice.told() == [("returned", 5, 1)]


def test_a_subscriber_is_a_receiver_of_a_mandatory_message() -> None:
    _, alice, _, carol = office()
    carol.subscribe("hal.*")
    alice.tell("amq.topic", "hal.usb", 1, MANDATORY, 4)
    assert alice.told() == []
    assert carol.heard() == [signal(alice, "hal.usb", 1)]


def test_nobody_publishes_to_the_bus_s_own_topics() -> None:
    _, alice, bob, _ = office()
    bob.queue("all", ("amq.topic", "#"))
    alice.tell("amq.topic", "bus.peer.gone", 1, serial=4)
    assert alice.told() == [("AccessDenied", 4, "topic bus.peer.gone: the topics under 'bus.' are the bus's own")]
    assert bob.ask("get_message", "all") is None


def test_a_routing_key_that_is_no_topic_reaches_queues_only() -> None:
    _, alice, bob, carol = office()
    bob.queue("all", ("amq.topic", "#"))
    bob.consume("all")
    carol.subscribe("#")
    alice.tell("amq.topic", "two words", 1)
    alice.tell("amq.topic", "", 2)
    assert bob.values() == [1, 2]
    assert carol.heard() == []


def test_a_queue_gets_a_signal_once_however_it_is_bound() -> None:
    _, alice, bob, _ = office()
    for name in ("one", "two"):
        alice.ask("declare_exchange", name, "fanout")
        alice.ask("bind_exchange", name, "amq.topic", "hal.#")
    bob.queue("events", ("amq.topic", "hal.*"), ("amq.topic", "#.usb"), ("one", ""), ("two", ""))
    bob.queue("more", ("one", ""), ("two", ""))
    bob.consume("events", no_ack=True)
    alice.publish("hal.usb", 1)
    assert bob.values() == [1]
    bob.consume("more")
    assert bob.values() == [1]


def test_a_queue_that_is_unbound_or_deleted_hears_no_more_signals() -> None:
    scene, alice, bob, _ = office()
    bob.queue("events", ("amq.topic", "hal.#"), ("amq.topic", "net.#"))
    bob.ask("unbind_queue", "events", "amq.topic", "hal.#")
    alice.publish("hal.usb", 1)
    alice.publish("net.up", 2)
    assert bob.ask("delete_queue", "events") == 1
    alice.publish("net.up", 3)
    assert scene.broker.signals.index.match("net.up") == []


def test_wills_and_the_bus_s_own_signals_get_into_queues() -> None:
    _, alice, bob, carol = office()
    bob.queue("events", ("amq.topic", "bus.name.#"), ("amq.topic", "last.#"))
    alice.ask("request_name", "org.example.A")
    carol.ask("set_will", "last.words", b"bye", True)
    carol.leave()
    bob.consume("events")
    assert [one.key for one in bob.got()] == ["bus.name.org.example.A", "last.words"]


# --- limits -----------------------------------------------------------------------------------------


def test_the_length_of_a_queue_has_a_limit_that_is_told() -> None:
    _, alice, bob, _ = office(Limits()._replace(queue_length=2))
    bob.queue("jobs")
    for number in (1, 2, 3):
        alice.tell("", "jobs", number, CONFIRM, number)
    first, second, (name, serial, text) = alice.told()
    assert (first, second, name, serial) == (("confirmed", 1), ("confirmed", 2), "LimitExceeded", 3)
    assert text.startswith("queue 'jobs' has 2 messages, ")
    alice.tell("", "jobs", 4, serial=9)
    assert [one[:2] for one in alice.told()] == [("LimitExceeded", 9)]


def test_neighbours_come_in_as_far_as_there_is_room() -> None:
    _, alice, bob, _ = office(Limits()._replace(queue_length=3))
    bob.queue("jobs")
    alice.send(b"".join([alice.message("", "jobs", number, CONFIRM, number) for number in (1, 2)]))
    assert alice.told() == [("confirmed", 2, "multiple")]
    alice.send(b"".join([alice.message("", "jobs", number, CONFIRM, number) for number in (3, 4, 5)]))
    assert [one[:2] for one in alice.told()] == [("LimitExceeded", 4), ("LimitExceeded", 5), ("confirmed", 3)]
    bob.consume("jobs")
    assert bob.values() == [1, 2, 3]


def test_neighbours_get_into_each_queue_and_to_its_consumers_in_their_order() -> None:
    scene, alice, bob, carol = office()
    bob.queue("some", ("amq.fanout", ""), arguments={"x-max-length": 2})
    bob.queue("first", ("amq.fanout", ""))
    carol.queue("second", ("amq.fanout", ""))
    carol.consume("second", "a", prefetch=1)
    carol.consume("second", "b", no_ack=True)
    alice.send(b"".join([alice.message("amq.fanout", "", number, CONFIRM, number) for number in (1, 2, 3, 4)]))
    assert alice.told() == [("confirmed", 4, "multiple")]
    assert carol.values() == [1, 2, 3, 4]
    bob.ask("delete_queue", "some")
    alice.send(b"".join([alice.message("amq.fanout", "", number, CONFIRM, number) for number in (5, 6)]))
    assert alice.told() == [("confirmed", 6, "multiple")]
    assert carol.values() == [5, 6]
    bob.consume("first", no_ack=True)
    assert bob.values() == [1, 2, 3, 4, 5, 6]
    carol.ack(1)
    bob.ask("delete_queue", "first")
    assert (scene.broker.queueing.bytes, scene.broker.queueing.vhost.queues["second"].memory) == (0, 0)


def test_a_message_that_is_let_in_can_get_out_by_every_way() -> None:
    limits = Limits()._replace(frame=20000)
    _, alice, bob, _ = office(limits)
    bob.queue("jobs")
    edge = b"x" * (20000 - 4096 - len(alice.message("", "jobs", b"", CONFIRM, 1)))
    alice.tell("", "jobs", edge, CONFIRM, 1)
    alice.tell("", "jobs", edge + b"x", CONFIRM, 2)
    text = "a message of 15905 bytes is over the bus's limit of 15904"
    assert alice.told() == [("confirmed", 1), ("TooLarge", 2, text)]
    assert isinstance(bob.ask("peek_messages", "jobs"), list)
    found = bob.ask("get_message", "jobs")
    assert isinstance(found, dict)
    assert (found["tag"], len(found["message"])) == (1, 15904)
    bob.requeue(1)
    bob.consume("jobs")
    assert bob.values() == [edge]


def test_the_largest_signal_becomes_a_message() -> None:
    _, alice, bob, _ = office(Limits()._replace(frame=20000))
    bob.queue("all", ("amq.topic", "#"))
    body = b"x" * (20000 - len(alice.signal("a.b", b"")))
    alice.publish("a.b", body)
    found = bob.ask("get_message", "all")
    assert isinstance(found, dict)
    assert found["message"].endswith(b"\0a.b" + body)
    bob.requeue(1)
    bob.consume("all")
    assert bob.values() == [body]


def test_the_memory_of_all_queues_has_a_limit() -> None:
    scene, alice, bob, _ = office(Limits()._replace(queued_bytes=1000))
    bob.queue("jobs")
    for number in range(6):
        alice.tell("", "jobs", b"x" * 100, CONFIRM, number + 1)
    told = alice.told()
    assert told[0] == ("confirmed", 1)
    assert told[-1][:2] == ("LimitExceeded", 6)
    bob.ask("purge_queue", "jobs")
    assert scene.broker.queueing.bytes == 0
    alice.tell("", "jobs", 1, CONFIRM, 9)
    assert alice.told() == [("confirmed", 9)]


def test_bytes_in_memory_come_to_nothing_however_messages_end() -> None:
    scene, alice, bob, _ = office()
    bob.queue("jobs", arguments={"x-max-length": 3})
    bob.queue("acked")
    for number in range(5):
        alice.tell("", "jobs", number)
        alice.tell("", "acked", number)
    bob.consume("acked")
    bob.ack(0, multiple=True)
    bob.consume("jobs", no_ack=True)
    assert scene.broker.queueing.bytes == 0


def test_the_way_of_a_message_is_told_without_sending_it() -> None:
    _, alice, bob, _ = office()
    alice.ask("declare_exchange", "logs", "topic", arguments={"alternate-exchange": "amq.fanout"})
    alice.queue("errors", ("logs", "*.error"), ("amq.topic", "bus.x"), ("amq.topic", "#"))
    bob.ask("request_name", "org.example.Player")
    by_error = {"key": "*.error", "arguments": {}}
    to_errors = {"destination": "errors", "to": "queue", "bindings": [by_error]}
    logs = {"exchange": "logs", "type": "topic", "reached": [to_errors], "alternate": None}
    assert alice.ask("route", "logs", "app.error") == {"queues": ["errors"], "service": None, "steps": [logs]}
    rest: dict[str, object] = {"exchange": "amq.fanout", "type": "fanout", "reached": [], "alternate": None}
    missed = {**logs, "reached": [], "alternate": "amq.fanout"}
    assert alice.ask("route", "logs", "x") == {"queues": [], "service": None, "steps": [missed, rest]}
    here = {"exchange": "", "type": "direct", "reached": [{**to_errors, "bindings": []}], "alternate": None}
    assert alice.ask("route", "", "errors") == {"queues": ["errors"], "service": None, "steps": [here]}
    nothing = {**here, "reached": []}
    player = "org.example.Player"
    assert alice.ask("route", "", player) == {"queues": [], "service": player, "steps": [nothing]}
    assert alice.refused("route", "nope") == "NotFound: NOT_FOUND - no exchange 'nope' in vhost '/'"
    assert alice.refused("route", "amq.topic", "bus.x").startswith("AccessDenied: ")
    counted = alice.ask("queue", "errors")
    assert isinstance(counted, dict)
    assert (counted["published"], counted["messages"]) == (0, 0)
