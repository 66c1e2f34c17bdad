"""Which queues a message gets to, for each type of exchange, and through several."""

from collections.abc import Mapping

import pytest

from pybus.broker.exchanges.direct import DirectExchange
from pybus.broker.exchanges.exchange import Binding, Exchange, Properties
from pybus.broker.exchanges.fanout import FanoutExchange
from pybus.broker.exchanges.headers import HeadersExchange, check_arguments
from pybus.broker.exchanges.routing import Step, find_route
from pybus.broker.exchanges.topic import TopicExchange
from pybus.broker.queues.arguments import Policy
from pybus.broker.queues.queue import Properties as QueueProperties
from pybus.broker.queues.queue import Queue
from pybus.errors import PreconditionFailed


def queue(name: str) -> Queue:
    return Queue(name, QueueProperties(), Policy(), 0.0)


def bind(source: Exchange, to: Queue | Exchange, key: str = "", how: Mapping[str, object] | None = None) -> Binding:
    binding = Binding(source, to, key, how or {})
    assert source.bind(binding)
    return binding


def reached(exchange: Exchange, key: str, headers: Mapping[str, object] | None = None) -> list[str]:
    return sorted(one.name for one in exchange.match(key, headers or {}))


def routed(exchange: Exchange, key: str, *others: Exchange) -> list[str]:
    exchanges = {one.name: one for one in (exchange, *others)}
    return [one.name for one in find_route(exchange, (key,), {}, exchanges).queues]


def test_direct_goes_by_the_whole_key() -> None:
    exchange = DirectExchange("d", Properties())
    first, second = queue("first"), queue("second")
    bind(exchange, first, "a")
    bind(exchange, second, "a")
    bind(exchange, first, "a.b")
    assert (reached(exchange, "a"), reached(exchange, "a.b"), reached(exchange, "b")) == (
        ["first", "second"],
        ["first"],
        [],
    )


def test_fanout_goes_to_all() -> None:
    exchange = FanoutExchange("f", Properties())
    one = queue("one")
    bindings = [bind(exchange, one, "a"), bind(exchange, one, "b")]
    assert reached(exchange, "whatever") == ["one"]
    assert exchange.unbind(bindings[0])
    assert not exchange.unbind(bindings[0])
    assert reached(exchange, "") == ["one"]
    assert exchange.unbind(bindings[1])
    assert reached(exchange, "") == []


@pytest.mark.parametrize(
    ("pattern", "keys", "others"),
    [
        ("a.*", ["a.b", "a."], ["a", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c"], ["b"]),
        ("#", ["", "a", "bus.name"], []),
        ("*", ["a", "bus"], ["a.b"]),
        ("#.z", ["z", "a.z", "a.b.z"], ["z.a"]),
        ("", [""], ["a"]),
    ],
)
def test_topic_goes_by_words(pattern: str, keys: list[str], others: list[str]) -> None:
    exchange = TopicExchange("t", Properties())
    bind(exchange, queue("q"), pattern)
    assert [key for key in keys + others if reached(exchange, key)] == keys


@pytest.mark.parametrize(
    ("arguments", "headers", "matches"),
    [
        ({"x-match": "all", "a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 0}, True),
        ({"x-match": "all", "a": 1, "b": "x"}, {"a": 1}, False),
        ({"a": 1, "b": "x"}, {"a": 1}, False),
        ({}, {}, True),
        ({"x-match": "any", "a": 1, "b": "x"}, {"b": "x"}, True),
        ({"x-match": "any", "a": 1}, {"a": 2}, False),
        ({"x-match": "any"}, {"a": 2}, False),
        ({"a": None}, {"a": 2}, True),
        ({"a": None}, {}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"x-a": 1, "b": 1}, {"b": 1}, True),
        ({"x-match": "all-with-x", "x-a": 1, "b": 1}, {"b": 1}, False),
        ({"x-match": "any-with-x", "x-a": 1, "b": 1}, {"x-a": 1}, True),
    ],
)
def test_headers_go_by_arguments(arguments: dict[str, object], headers: dict[str, object], matches: bool) -> None:
    exchange = HeadersExchange("h", Properties())
    bind(exchange, queue("q"), "ignored", arguments)
    check_arguments(arguments)
    assert bool(reached(exchange, "k", headers)) is matches


def test_a_wrong_x_match_is_refused_by_rabbitmq_s_words() -> None:
    with pytest.raises(PreconditionFailed) as caught:
        check_arguments({"x-match": "zz"})
    assert caught.value.message == (
        'PRECONDITION_FAILED - Invalid x-match field value <<"zz">>; expected all, any, all-with-x, or any-with-x'
    )


def test_an_x_match_that_is_no_text_is_refused() -> None:
    for value, text in ((5, "signedint (value 5)"), (True, "bool (value true)")):
        with pytest.raises(PreconditionFailed) as caught:
            check_arguments({"x-match": value})
        assert caught.value.message == f"PRECONDITION_FAILED - Invalid x-match field type {text}; expected longstr"


def test_a_queue_is_reached_once_through_however_many_bindings() -> None:
    outer, inner = FanoutExchange("outer", Properties()), DirectExchange("inner", Properties())
    one = queue("one")
    bind(outer, one)
    bind(outer, inner)
    bind(inner, one, "k")
    assert routed(outer, "k", inner) == ["one"]


def test_circles_of_exchanges_do_no_harm() -> None:
    first, second = FanoutExchange("first", Properties()), FanoutExchange("second", Properties())
    bind(first, second)
    bind(second, first)
    bind(first, first)
    bind(second, queue("q"))
    assert routed(first, "k", second) == ["q"]


def test_what_an_exchange_can_t_route_goes_to_its_alternate() -> None:
    main = DirectExchange("main", Properties(arguments={"alternate-exchange": "spare"}))
    spare = FanoutExchange("spare", Properties(arguments={"alternate-exchange": "main"}))
    bind(main, queue("wanted"), "k")
    bind(spare, queue("rest"))
    assert routed(main, "k", spare) == ["wanted"]
    assert routed(main, "other", spare) == ["rest"]
    assert routed(main, "other") == []


def test_a_route_says_whether_headers_count_on_the_way() -> None:
    outer, inner = FanoutExchange("outer", Properties()), HeadersExchange("inner", Properties())
    assert not find_route(outer, ("k",), {}, {}).reads_headers
    bind(outer, inner)
    assert find_route(outer, ("k",), {}, {}).reads_headers


@pytest.mark.parametrize("kind", [DirectExchange, FanoutExchange, HeadersExchange, TopicExchange])
def test_single_bindings_select_what_all_together_match(kind: type[Exchange]) -> None:
    exchange = kind("e", Properties())
    keys = ("", "bus.a", "a.b", "a.*", "#", "*.b")
    hows: tuple[dict[str, object], ...] = ({}, {"x": 1}, {"x-match": "any", "x": 1, "y": 2})
    made = [bind(exchange, queue(f"{key} {how}"), key, how) for key in keys for how in hows]
    for key in (*keys, "c"):
        for headers in ({}, {"x": 1}, {"y": 2}):
            selected = [one.destination.name for one in made if exchange.selects(one, key, headers)]
            assert sorted(selected) == reached(exchange, key, headers)


def test_the_way_is_noted() -> None:
    start = TopicExchange("start", Properties(arguments={"alternate-exchange": "rest"}))
    wide, rest = FanoutExchange("wide", Properties()), FanoutExchange("rest", Properties())
    jobs, others = queue("jobs"), queue("others")
    narrow, hash_ = bind(start, jobs, "a.*"), bind(start, jobs, "a.#")
    onward, end, back, last = bind(start, wide, "a.b"), bind(wide, jobs), bind(wide, start), bind(rest, others)
    bind(start, others, "z")
    exchanges = {one.name: one for one in (start, wide, rest)}
    steps: list[Step] = []
    assert find_route(start, ("a.b",), {}, exchanges, steps=steps).queues == (jobs,)
    assert steps == [
        Step(start, {jobs: (narrow, hash_), wide: (onward,)}, None),
        Step(wide, {jobs: (end,), start: (back,)}, None),
    ]
    steps = []
    assert find_route(start, ("b",), {}, exchanges, steps=steps).queues == (others,)
    assert steps == [Step(start, {}, rest), Step(rest, {others: (last,)}, None)]
