"""The arguments of queues; what is said of them in the words of RabbitMQ 3.10.8, off whose wire they were read."""

import pytest

from pybus.broker.queues.arguments import COMPARED
from tests.broker.queues.scene import office

INVALID = "PreconditionFailed: PRECONDITION_FAILED - invalid arg"
TEN_YEARS = 315_360_000_000
NUMBERS = ("x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-consumer-timeout")
TEXTS = ("x-dead-letter-routing-key", "x-overflow", "x-queue-mode", "x-queue-type")
LASTING = {"durable": True}


@pytest.mark.parametrize("key", NUMBERS)
def test_numbers_are_whole_and_not_negative(key: str) -> None:
    _, alice, _, _ = office()
    where = f"{INVALID} '{key}' for queue 'q' in vhost '/'"
    for value, kind in (("1", "longstr"), (1.5, "double"), (True, "bool"), (None, "void"), (b"1", "binary")):
        assert alice.refused("declare_queue", "q", arguments={key: value}) == f'{where}: "expected integer, got {kind}"'
    assert alice.refused("declare_queue", "q", arguments={key: -1}) == f"{where}: {{value_negative,-1}}"
    assert alice.ask("queues") == []


@pytest.mark.parametrize("key", TEXTS)
def test_texts_are_texts(key: str) -> None:
    _, alice, _, _ = office()
    where = f"{INVALID} '{key}' for queue 'q' in vhost '/'"
    for value, kind in ((1, "signedint"), (True, "bool"), (None, "void"), (2**40, "long")):
        arguments = {"x-dead-letter-exchange": "", key: value}
        assert alice.refused("declare_queue", "q", arguments=arguments) == f"{where}: {{unacceptable_type,{kind}}}"
    assert alice.ask("queues") == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"x-message-ttl": TEN_YEARS + 1},
            "'x-message-ttl' for queue 'q' in vhost '/': {value_too_large,315360000001}",
        ),
        ({"x-expires": 2**62}, f"'x-expires' for queue 'q' in vhost '/': {{value_too_large,{2**62}}}"),
        ({"x-expires": 0}, "'x-expires' for queue 'q' in vhost '/': {value_zero,0}"),
        ({"x-consumer-timeout": 0}, "'x-consumer-timeout' for queue 'q' in vhost '/': {value_zero,0}"),
        ({"x-max-priority": 256}, "'x-max-priority' for queue 'q' in vhost '/': {max_value_exceeded,256}"),
        ({"x-overflow": "zz"}, "'x-overflow' for queue 'q' in vhost '/': invalid_overflow"),
        (
            {"x-dead-letter-routing-key": "k"},
            "'x-dead-letter-routing-key' for queue 'q' in vhost '/': routing_key_but_no_dlx_defined",
        ),
        (
            {"x-single-active-consumer": 1},
            "'x-single-active-consumer' for queue 'q' in vhost '/': {unacceptable_type,signedint}",
        ),
        ({"x-delivery-limit": "3"}, "'x-delivery-limit' for queue 'q' in vhost '/': \"expected integer, got longstr\""),
        ({"x-queue-type": "zz"}, "'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'zz'\""),
        ({"x-queue-type": "stream"}, "'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'stream'\""),
        ({"x-queue-mode": "zz"}, "'x-queue-mode' for queue 'q' in vhost '/': \"unsupported queue mode 'zz'\""),
        ({"x-queue-version": 3}, "'x-queue-version' for queue 'q' in vhost '/': \"unsupported queue version '3'\""),
        ({"x-max-age": "1D"}, "'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"),
        (
            {"x-dead-letter-strategy": "at-least-once"},
            "'x-dead-letter-strategy' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
        ),
        (
            {"x-queue-type": "quorum", "x-max-priority": 5},
            "'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
        ),
        (
            {"x-queue-type": "quorum", "x-dead-letter-strategy": "zz"},
            "'x-dead-letter-strategy' for queue 'q' in vhost '/': invalid_dlx_strategy",
        ),
        (
            {"x-queue-type": "quorum", "x-queue-leader-locator": "zz"},
            "'x-queue-leader-locator' for queue 'q' in vhost '/': invalid_queue_locator_arg",
        ),
        (
            {"x-queue-type": "quorum", "x-quorum-initial-group-size": 0},
            "'x-quorum-initial-group-size' for queue 'q' in vhost '/': {value_zero,0}",
        ),
        (
            {"x-queue-type": "quorum", "x-max-in-memory-length": -1},
            "'x-max-in-memory-length' for queue 'q' in vhost '/': {value_negative,-1}",
        ),
    ],
)
def test_arguments_that_can_t_be_right(arguments: dict[str, object], text: str) -> None:
    _, alice, _, _ = office()
    assert alice.refused("declare_queue", "q", durable=True, arguments=arguments) == f"{INVALID} {text}"
    assert alice.ask("queues") == []


@pytest.mark.parametrize(("value", "kind"), [(5, "signedint"), (None, "void"), (True, "bool")])
def test_a_dead_letter_exchange_has_to_be_named(value: object, kind: str) -> None:
    _, alice, _, _ = office()
    assert alice.refused("declare_queue", "q", arguments={"x-dead-letter-exchange": value}) == (
        f"PreconditionFailed: PRECONDITION_FAILED - invalid type '{kind}' for arg 'x-dead-letter-exchange'"
        " in queue 'q' in vhost '/'"
    )


def test_arguments_that_are_fine() -> None:
    _, alice, _, _ = office()
    classic = {
        "x-message-ttl": 0,
        "x-expires": TEN_YEARS,
        "x-max-length": 2**62,
        "x-max-length-bytes": 0,
        "x-max-priority": 255,
        "x-delivery-limit": -1,
        "x-queue-type": "classic",
        "x-queue-mode": "lazy",
        "x-queue-version": 2,
        "x-queue-master-locator": "min-masters",
        "colour": None,
    }
    quorum = {
        "x-queue-type": "quorum",
        "x-quorum-initial-group-size": 3,
        "x-queue-leader-locator": "client-local",
        "x-max-in-memory-length": 0,
        "x-max-in-memory-bytes": 5,
        "x-dead-letter-strategy": "at-least-once",
    }
    for arguments in (classic, quorum):
        alice.queue("q", durable=True, arguments=arguments)
        alice.queue("q", durable=True, arguments=arguments)
        found = alice.ask("queue", "q")
        assert isinstance(found, dict)
        assert found["arguments"] == arguments
        alice.ask("delete_queue", "q")


# --- quorum queues ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how", "text"),
    [
        ("q", {}, "invalid property 'non-durable' for queue 'q' in vhost '/'"),
        ("q", {**LASTING, "exclusive": True}, "invalid property 'exclusive-owner' for queue 'q' in vhost '/'"),
        ("q", {**LASTING, "auto_delete": True}, "invalid property 'auto-delete' for queue 'q' in vhost '/'"),
        ("", LASTING, "Cannot declare a server-named queue for type rabbit_quorum_queue"),
    ],
)
def test_a_quorum_queue_has_a_name_and_lasts(name: str, how: dict[str, object], text: str) -> None:
    _, alice, _, _ = office()
    refused = alice.refused("declare_queue", name, arguments={"x-queue-type": "quorum"}, **how)
    assert refused == f"PreconditionFailed: PRECONDITION_FAILED - {text}"
    assert alice.ask("queues") == []


@pytest.mark.parametrize(("limit", "deliveries"), [(None, 21), (2, 3), (0, 1), (-1, 30)])
def test_how_often_a_quorum_queue_delivers(limit: int | None, deliveries: int) -> None:
    scene, alice, bob, carol = office()
    given = {} if limit is None else {"x-delivery-limit": limit}
    carol.queue("jobs", durable=True, arguments={"x-queue-type": "quorum", **given})
    alice.tell("", "jobs", "poison")
    bob.consume("jobs")
    count = 0
    while bob.got() and count < 30:
        count += 1
        bob.requeue(count)
        scene.wait(6)
    assert count == deliveries


# --- the same once more -----------------------------------------------------------------------------


def test_what_may_differ_when_a_queue_is_declared_again() -> None:
    _, alice, _, _ = office()
    pairs: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"x-queue-type": "classic"}, {}),
        ({}, {"x-queue-type": "classic"}),
        ({"colour": 1}, {"colour": 2}),
        ({"x-colour": 1}, {}),
        ({"x-max-length": 5}, {"x-max-length": 5, "x-max-age": "1D"}),
    ]
    for first, second in pairs:
        alice.queue("eq", arguments=first)
        alice.queue("eq", arguments=second)
        alice.ask("delete_queue", "eq")


def test_the_first_difference_is_told_in_rabbitmq_s_order() -> None:
    _, alice, _, _ = office()
    alice.queue("eq")
    wanted: dict[str, object] = dict.fromkeys(COMPARED, "zz")
    told = []
    while wanted:
        text = alice.refused("declare_queue", "eq", arguments=wanted)
        told.append(text.split("'")[1])
        assert text == (
            f"PreconditionFailed: PRECONDITION_FAILED - inequivalent arg '{told[-1]}' for queue 'eq' in vhost '/':"
            " received the value 'zz' of type 'longstr' but current is none"
        )
        del wanted[told[-1]]
    assert told == list(COMPARED)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ({"x-queue-type": "quorum"}, {}, "received none but current is the value 'quorum' of type 'longstr'"),
        ({}, {"x-queue-type": "quorum"}, "received the value 'quorum' of type 'longstr' but current is none"),
        ({"x-queue-type": "quorum"}, {"x-queue-type": "classic"}, "received 'classic' but current is 'quorum'"),
    ],
)
def test_a_queue_is_of_one_type(first: dict[str, object], second: dict[str, object], text: str) -> None:
    _, alice, _, _ = office()
    alice.queue("eq", durable=True, arguments=first)
    assert alice.refused("declare_queue", "eq", durable=True, arguments=second) == (
        "PreconditionFailed: PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'eq' in vhost '/': " + text
    )


def test_a_number_is_the_same_whatever_its_size_but_not_as_a_flag_or_a_fraction() -> None:
    _, alice, _, _ = office()
    alice.queue("eq", arguments={"x-max-length": 1})
    start = "PreconditionFailed: PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'eq' in vhost '/': "
    for value, text in ((True, "true"), (2, "2"), (1.0, "1.0")):
        refused = alice.refused("declare_queue", "eq", arguments={"x-max-length": value})
        assert refused == f"{start}received '{text}' but current is '1'"
