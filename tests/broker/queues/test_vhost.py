"""Declaring, binding and deleting; each refusal in the words of RabbitMQ 3.10.8, off whose wire they were read."""

from typing import Any

import pytest

from pybus.broker.queues.queue import Properties as QueueProperties
from pybus.broker.queues.vhost import clean
from pybus.errors import InvalidName
from pybus.limits import Limits
from tests.broker.queues.scene import User, office


def test_equal_declarations_are_fine() -> None:
    _, alice, bob, _ = office()
    for one, colour in ((alice, "red"), (bob, "blue")):
        one.queue("q", durable=True, arguments={"x-max-length": 5, "colour": colour})
        one.ask("declare_exchange", "ex", "topic", durable=True)
        one.ask("declare_exchange", "amq.direct", "direct", durable=True)


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (
            {"arguments": {"x-max-length": 5}},
            "inequivalent arg 'durable' for queue 'eq' in vhost '/': received 'false' but current is 'true'",
        ),
        (
            {"durable": True},
            "inequivalent arg 'x-max-length' for queue 'eq' in vhost '/':"
            " received none but current is the value '5' of type 'signedint'",
        ),
        (
            {"durable": True, "arguments": {"x-max-length": 6}},
            "inequivalent arg 'x-max-length' for queue 'eq' in vhost '/': received '6' but current is '5'",
        ),
        (
            {"durable": True, "arguments": {"x-max-length": 5, "x-overflow": "drop-head"}},
            "inequivalent arg 'x-overflow' for queue 'eq' in vhost '/':"
            " received the value 'drop-head' of type 'longstr' but current is none",
        ),
        (
            {"durable": True, "auto_delete": True, "arguments": {"x-max-length": 5}},
            "inequivalent arg 'auto_delete' for queue 'eq' in vhost '/': received 'true' but current is 'false'",
        ),
    ],
)
def test_an_unequal_queue_is_refused(wanted: dict[str, object], text: str) -> None:
    _, alice, bob, _ = office()
    alice.queue("eq", durable=True, arguments={"x-max-length": 5})
    assert bob.refused("declare_queue", "eq", **wanted) == f"PreconditionFailed: PRECONDITION_FAILED - {text}"


def test_an_unequal_exchange_is_refused() -> None:
    _, alice, _, _ = office()
    alice.ask("declare_exchange", "ex", "fanout")
    start = "PreconditionFailed: PRECONDITION_FAILED - "
    assert alice.refused("declare_exchange", "ex", "direct") == (
        start + "inequivalent arg 'type' for exchange 'ex' in vhost '/': received 'direct' but current is 'fanout'"
    )
    assert alice.refused("declare_exchange", "ex", "fanout", internal=True) == (
        start + "inequivalent arg 'internal' for exchange 'ex' in vhost '/': received 'true' but current is 'false'"
    )
    assert alice.refused("declare_exchange", "ex", "zz") == start + "unknown exchange type 'zz'"


@pytest.mark.parametrize(("value", "kind"), [(5, "signedint"), (None, "void")])
def test_an_alternate_exchange_has_to_be_named(value: object, kind: str) -> None:
    _, alice, _, _ = office()
    assert alice.refused("declare_exchange", "e", arguments={"alternate-exchange": value}) == (
        f"PreconditionFailed: PRECONDITION_FAILED - invalid type '{kind}' for arg 'alternate-exchange'"
        " in exchange 'e' in vhost '/'"
    )


def test_what_is_not_there() -> None:
    _, alice, _, _ = office()
    alice.queue("q")
    no_queue = "NotFound: NOT_FOUND - no queue 'nope' in vhost '/'"
    for method in ("consume", "get_message", "purge_queue", "peek_messages", "queue"):
        assert alice.refused(method, "nope") == no_queue
    assert alice.refused("declare_queue", "nope", True) == no_queue
    assert alice.refused("bind_queue", "nope", "amq.fanout") == no_queue
    no_exchange = "NotFound: NOT_FOUND - no exchange 'nope' in vhost '/'"
    assert alice.refused("declare_exchange", "nope", passive=True) == no_exchange
    assert alice.refused("bind_queue", "q", "nope") == no_exchange
    assert alice.refused("bind_exchange", "amq.fanout", "nope") == no_exchange
    assert alice.refused("bind_exchange", "nope", "amq.fanout") == no_exchange


def test_what_is_told_first_of_a_binding_that_can_t_be_made() -> None:
    _, alice, bob, _ = office()
    alice.queue("mine", exclusive=True)
    no_exchange = "NotFound: NOT_FOUND - no exchange 'e' in vhost '/'"
    assert bob.refused("bind_queue", "nope", "e") == no_exchange
    assert bob.refused("bind_queue", "mine", "e") == no_exchange
    assert bob.refused("bind_exchange", "nope", "e") == no_exchange
    default = "AccessRefused: ACCESS_REFUSED - operation not permitted on the default exchange"
    for method in ("bind_queue", "unbind_queue", "bind_exchange", "unbind_exchange"):
        assert bob.refused(method, "nope", "") == default
    for method in ("bind_exchange", "unbind_exchange"):
        assert bob.refused(method, "", "nope") == default


def test_only_a_binding_that_is_there_is_locked_with_its_queue() -> None:
    _, alice, bob, _ = office()
    alice.queue("mine", ("amq.fanout", "k"), exclusive=True)
    assert bob.ask("unbind_queue", "mine", "amq.fanout", "other") is None
    assert bob.refused("unbind_queue", "mine", "amq.fanout", "k").startswith("ResourceLocked: RESOURCE_LOCKED - ")
    bindings = bob.ask("bindings")
    assert isinstance(bindings, list)
    assert [(one["destination"], one["key"]) for one in bindings] == [("mine", "k")]


def test_deleting_and_unbinding_what_is_not_there_succeeds() -> None:
    _, alice, _, _ = office()
    alice.queue("q")
    assert alice.ask("delete_queue", "nope") == 0
    assert alice.ask("delete_exchange", "nope") is None
    assert alice.ask("unbind_queue", "q", "nope") is None
    assert alice.ask("unbind_queue", "q", "amq.fanout", "k") is None
    assert alice.ask("unbind_queue", "nope", "amq.fanout") is None
    assert alice.ask("unbind_exchange", "nope", "amq.fanout") is None


def test_reserved_names_and_the_default_exchange() -> None:
    _, alice, _, _ = office()
    alice.queue("q")
    start = "AccessRefused: ACCESS_REFUSED - "
    assert alice.refused("declare_queue", "amq.foo") == start + "queue name 'amq.foo' contains reserved prefix 'amq.*'"
    assert alice.refused("declare_exchange", "amq.foo") == (
        start + "exchange name 'amq.foo' contains reserved prefix 'amq.*'"
    )
    default = start + "operation not permitted on the default exchange"
    assert alice.refused("declare_exchange", "") == default
    assert alice.refused("delete_exchange", "") == default
    assert alice.refused("bind_queue", "q", "", "k") == default
    assert alice.refused("unbind_queue", "q", "", "q") == default
    assert alice.refused("bind_exchange", "", "amq.fanout") == default
    assert alice.refused("declare_exchange", "", passive=True) == default
    for name in ("amq.direct", "amq.nope"):
        assert alice.refused("delete_exchange", name) == (
            start + f"deletion of system exchange '{name}' in vhost '/' not allowed"
        )


def test_the_exchange_for_traces_is_there_for_who_binds_to_it() -> None:
    _, alice, bob, _ = office()
    alice.ask("declare_exchange", "amq.rabbitmq.trace", "topic", durable=True, internal=True)
    bob.queue("traces", ("amq.rabbitmq.trace", "#"))
    alice.tell("", "traces", "a message")
    bob.consume("traces")
    assert bob.values() == ["a message"]
    alice.tell("amq.rabbitmq.trace", "publish.x", "made up")
    assert alice.told() == [
        ("AccessRefused", 0, "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'")
    ]


def test_what_is_in_use_or_not_empty_stays_if_asked() -> None:
    _, alice, bob, _ = office()
    alice.queue("q", ("amq.direct", "k"))
    alice.ask("declare_exchange", "ex", "fanout")
    alice.ask("bind_queue", "q", "ex")
    start = "PreconditionFailed: PRECONDITION_FAILED - "
    assert alice.refused("delete_exchange", "ex", True) == start + "exchange 'ex' in vhost '/' in use"
    alice.tell("", "q", 1)
    assert alice.refused("delete_queue", "q", if_empty=True) == start + "queue 'q' in vhost '/' not empty"
    tag = bob.consume("q")
    assert alice.refused("delete_queue", "q", if_unused=True) == start + "queue 'q' in vhost '/' in use"
    bob.ask("cancel", tag)
    assert alice.ask("delete_queue", "q", if_unused=True, if_empty=True) == 0
    assert alice.ask("delete_exchange", "ex", True) is None


def test_an_exclusive_queue_is_its_connection_s_alone_and_goes_with_it() -> None:
    scene, alice, bob, _ = office()
    alice.queue("mine", ("amq.fanout", ""), exclusive=True)
    text = (
        "ResourceLocked: RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'. It could"
        " be originally declared on another connection or the exclusive property value does not match that of the"
        " original declaration."
    )
    for method in ("consume", "get_message", "purge_queue", "delete_queue", "declare_queue"):
        assert bob.refused(method, "mine") == text
    assert bob.refused("bind_queue", "mine", "amq.fanout") == text
    assert alice.refused("declare_queue", "mine") == text
    alice.queue("mine", exclusive=True)
    bob.tell("", "mine", 1)
    alice.leave()
    assert bob.ask("queues") == []
    assert bob.ask("bindings") == []
    assert scene.broker.queueing.bytes == 0


def test_the_bus_names_a_queue_that_has_no_name() -> None:
    _, alice, bob, _ = office()
    first, second = alice.queue(exclusive=True), bob.queue(exclusive=True)
    assert first != second
    assert first.startswith("amq.gen-")
    assert len(first) == len("amq.gen-") + 22
    alice.queue(first, exclusive=True)
    alice.ask("bind_queue", "", "amq.fanout")
    assert alice.ask("bindings") == [
        {"source": "amq.fanout", "destination": first, "to": "queue", "key": "", "arguments": {}, "number": 1}
    ]


def test_without_a_name_the_queue_that_was_declared_last_is_meant() -> None:
    _, alice, _, _ = office()
    assert alice.refused("consume") == "NotFound: NOT_FOUND - no previously declared queue"
    assert alice.refused("bind_queue", "", "amq.fanout") == "NotFound: NOT_FOUND - no previously declared queue"
    alice.queue("q")
    alice.tell("", "q", 1)
    assert alice.ask("purge_queue") == 1
    assert alice.ask("delete_queue") == 0


def test_an_auto_delete_exchange_goes_with_its_last_binding_not_before_its_first() -> None:
    _, alice, _, _ = office()
    alice.ask("declare_exchange", "inner", "fanout", auto_delete=True)
    alice.ask("declare_exchange", "outer", "fanout", auto_delete=True)
    alice.queue("a", ("inner", ""))
    alice.queue("b", ("inner", "k"))
    alice.ask("bind_exchange", "inner", "outer")
    alice.ask("unbind_queue", "a", "inner")
    assert alice.ask("declare_exchange", "inner", passive=True) is None
    alice.ask("delete_queue", "b")
    gone = "NotFound: NOT_FOUND - no exchange '{}' in vhost '/'"
    for name in ("inner", "outer"):
        assert alice.refused("declare_exchange", name, passive=True) == gone.format(name)
    assert alice.ask("bindings") == []


def test_an_auto_delete_queue_goes_with_its_last_consumer_not_before_its_first() -> None:
    _, alice, bob, carol = office()
    alice.queue("q", auto_delete=True)
    tag = bob.consume("q")
    carol.consume("q")
    bob.ask("cancel", tag)
    assert alice.ask("declare_queue", "q", True) == {"queue": "q", "messages": 0, "consumers": 1}
    carol.leave()
    assert alice.refused("queue", "q") == "NotFound: NOT_FOUND - no queue 'q' in vhost '/'"


def test_bindings_are_told_apart_by_their_arguments() -> None:
    _, alice, bob, _ = office()
    bob.queue("q")
    bob.consume("q")
    for arguments in ({"a": 1}, {"a": 2}, {"a": 1}):
        bob.ask("bind_queue", "q", "amq.direct", "k", arguments)
    assert len(list(bob.ask("bindings"))) == 2  # type: ignore[call-overload]
    alice.tell("amq.direct", "k", 1)
    bob.ask("unbind_queue", "q", "amq.direct", "k", {"a": 1})
    alice.tell("amq.direct", "k", 2)
    bob.ask("unbind_queue", "q", "amq.direct", "k", {"a": 2})
    alice.tell("amq.direct", "k", 3)
    assert bob.values() == [1, 2]


def test_a_deleted_exchange_takes_its_bindings_along() -> None:
    _, alice, bob, _ = office()
    alice.ask("declare_exchange", "ex", "direct")
    bob.queue("q", ("ex", "k"))
    alice.ask("bind_exchange", "ex", "amq.fanout")
    alice.ask("delete_exchange", "ex")
    alice.ask("declare_exchange", "ex", "direct")
    assert alice.ask("bindings") == []
    alice.tell("ex", "k", 1)
    alice.tell("amq.fanout", "k", 1)
    assert bob.ask("get_message", "q") is None


def test_names_lose_their_line_breaks_and_have_a_length() -> None:
    _, alice, _, _ = office()
    assert alice.queue("jo\r\nbs") == "jobs"
    assert clean("x" * 255) == "x" * 255
    for name in ("x" * 256, "é" * 128, "a\0b", "\ud800"):
        with pytest.raises(InvalidName):
            clean(name)


def test_limits_of_what_there_is() -> None:
    _, alice, bob, _ = office(Limits()._replace(exchanges=8, queues=1, bindings=1))
    alice.ask("declare_exchange", "ex")
    assert bob.refused("declare_exchange", "more") == "LimitExceeded: there are 8 exchanges, the limit"
    alice.queue("q")
    assert bob.refused("declare_queue", "more") == "LimitExceeded: there are 1 queues, the limit"
    alice.ask("bind_queue", "q", "ex", "k")
    alice.ask("bind_queue", "q", "ex", "k")
    assert bob.refused("bind_queue", "q", "ex", "l") == "LimitExceeded: there are 1 bindings, the limit"
    bob.queue("q")
    alice.ask("delete_queue", "q")
    alice.queue("more", ("ex", "k"))
    alice.ask("delete_exchange", "ex")
    bob.ask("declare_exchange", "more")


def test_what_there_is_can_be_listed() -> None:
    scene, alice, bob, _ = office()
    alice.ask("declare_exchange", "ex", "fanout", auto_delete=True, arguments={"alternate-exchange": "amq.fanout"})
    alice.queue("q", ("ex", "k"), durable=True, arguments={"x-max-length": 9})
    alice.tell("ex", "", b"four")
    alice.tell("ex", "", b"four")
    scene.wait(3)
    bob.consume("q", "T", prefetch=1, arguments={"x-priority": 2})
    exchanges = alice.ask("exchanges")
    assert isinstance(exchanges, list)
    assert exchanges[-1] == {
        "name": "ex",
        "type": "fanout",
        "durable": False,
        "auto_delete": True,
        "internal": False,
        "arguments": {"alternate-exchange": "amq.fanout"},
        "bindings": 1,
        "published": 2,
    }
    consumer = {
        "tag": "T",
        "name": bob.name,
        "program": "bob",
        "pid": bob.peer.credentials.pid,
        "no_ack": False,
        "exclusive": False,
        "prefetch": 1,
        "priority": 2,
        "active": True,
        "unacked": 1,
        "delivered": 1,
    }
    described = {
        "name": "q",
        "durable": True,
        "auto_delete": False,
        "exclusive": False,
        "owner": None,
        "arguments": {"x-max-length": 9},
        "messages": 1,
        "bytes": 4,
        "unacked": 1,
        "oldest": 3.0,
        "consumers": [consumer],
        "bindings": 1,
        "published": 2,
        "delivered": 1,
        "acked": 0,
        "returned": 0,
        "dropped": 0,
    }
    assert alice.ask("queue", "q") == described
    assert alice.ask("queues") == [described]


# --- lists ------------------------------------------------------------------------------------------


def pages(user: User, method: str) -> list[list[str]]:
    """The names in each page, asked for until there are no more."""
    found: list[list[str]] = []
    while True:
        page = user.ask(method, found[-1][-1] if found else None)
        assert isinstance(page, list)
        if not page:
            return found
        found.append([one["name"] for one in page])


def bindings(user: User, **of: object) -> list[dict[str, Any]]:
    """One page of them."""
    found = user.ask("bindings", **of)
    assert isinstance(found, list)
    return found


def test_a_list_comes_in_pages() -> None:
    scene, alice, bob, _ = office()
    names = [f"queue.{number:04}" for number in range(2500)]
    for name in reversed(names):
        scene.broker.queueing.vhost.declare_queue(name, QueueProperties(), alice.peer)
    found = pages(bob, "queues")
    assert ([len(page) for page in found], [one for page in found for one in page]) == ([1000, 1000, 500], names)
    assert [len(page) for page in pages(bob, "exchanges")] == [7]
    for name in names:
        scene.broker.queueing.vhost.bind(
            scene.broker.queueing.vhost.exchange("amq.direct"), scene.broker.queueing.vhost.queues[name], name, {}
        )
    sizes, keys, last = [], [], 0
    while page := bindings(bob, after=last):
        sizes.append(len(page))
        keys += [one["key"] for one in page]
        last = page[-1]["number"]
    assert (sizes, keys) == ([1000, 1000, 500], names)


def test_a_change_between_pages_of_bindings_neither_skips_nor_repeats_one() -> None:
    scene, alice, bob, _ = office()
    vhost = scene.broker.queueing.vhost
    queue = vhost.declare_queue("jobs", QueueProperties(), alice.peer)
    for number in range(1500):
        vhost.bind(vhost.exchange("amq.direct" if number % 2 else "amq.topic"), queue, f"{number:04}", {})
    first = bindings(bob)
    assert [one["key"] for one in first] == [f"{number:04}" for number in range(1000)]
    alice.ask("unbind_queue", "jobs", "amq.topic", "0998")
    alice.ask("unbind_queue", "jobs", "amq.direct", "0999")
    alice.ask("bind_queue", "jobs", "amq.direct", "new")
    last = first[-1]["number"]
    rest = [f"{number:04}" for number in range(1000, 1500)]
    assert [one["key"] for one in bindings(bob, after=last)] == [*rest, "new"]
    assert [one["key"] for one in bindings(bob, queue="jobs", after=last)] == [*rest, "new"]
    assert [one["key"] for one in bindings(bob, exchange="amq.topic", after=last)] == rest[::2]


def test_a_page_fits_into_half_a_frame_or_has_one_entry() -> None:
    scene, alice, bob, _ = office(Limits()._replace(frame=8000))
    for number in range(5):
        scene.broker.queueing.vhost.declare_queue(
            f"q{number}", QueueProperties(arguments={"a": "x" * 1500}), alice.peer
        )
    assert pages(bob, "queues") == [["q0", "q1"], ["q2", "q3"], ["q4"]]
    scene.broker.queueing.vhost.declare_queue("q9", QueueProperties(arguments={"a": "x" * 5000}), alice.peer)
    assert pages(bob, "queues")[-2:] == [["q4"], ["q9"]]


def test_bindings_are_told_of_one_queue_or_exchange() -> None:
    _, alice, bob, _ = office()
    alice.ask("declare_exchange", "logs", "topic")
    alice.ask("bind_exchange", "logs", "amq.topic", "log.#")
    alice.queue("errors", ("logs", "*.error"), ("amq.direct", "error"))
    alice.queue("all", ("logs", "#"))

    def bound(**of: str) -> list[tuple[str, str, str]]:
        return [(one["source"], one["key"], one["destination"]) for one in bindings(bob, **of)]

    assert bound(queue="errors") == [("logs", "*.error", "errors"), ("amq.direct", "error", "errors")]
    assert bound(exchange="logs") == [
        ("amq.topic", "log.#", "logs"),
        ("logs", "*.error", "errors"),
        ("logs", "#", "all"),
    ]
    assert (bound(queue="nope"), len(bound())) == ([], 4)
    assert bound(exchange="logs", queue="errors") == [
        ("amq.topic", "log.#", "logs"),
        ("logs", "*.error", "errors"),
        ("amq.direct", "error", "errors"),
        ("logs", "#", "all"),
    ]
    alice.ask("bind_exchange", "logs", "logs", "round")
    assert bound(exchange="logs")[3:] == [("logs", "round", "logs")]
