"""Interfaces: what is read off a service, how it is described, and which arguments are refused."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Optional

import pytest

from pybus.errors import InvalidArguments, InvalidName, UnknownMethod, UsageError
from pybus.interface import Interface, arguments, fits, type_text


class Player:
    """Plays music."""

    volume = 3

    def play(self, uri: str, /, loud: bool = False, *, at: float | None = None) -> int:
        """Play one piece."""
        return len(uri) + loud + int(at or 0)

    def queue(self, *uris: str, **options: int) -> None:
        """Play these later."""

    @property
    def broken(self) -> int:
        raise AssertionError("a property must not be read")

    @staticmethod
    def version() -> str:
        return "1"

    def _hidden(self) -> None: ...


def play_refused(*args: object, **named: object) -> str:
    with pytest.raises(InvalidArguments) as caught:
        Interface.of(Player()).method("play").bind(args, named)
    return caught.value.message


def test_an_object_is_described_by_its_public_methods() -> None:
    assert Interface.of(Player()).describe() == {
        "doc": "Plays music.",
        "methods": [
            {
                "name": "play",
                "doc": "Play one piece.",
                "parameters": [
                    {"name": "uri", "type": "str", "kind": "plain"},
                    {"name": "loud", "type": "bool", "kind": "plain", "default": False},
                    {"name": "at", "type": "float | none", "kind": "named", "default": None},
                ],
                "returns": "int",
            },
            {
                "name": "queue",
                "doc": "Play these later.",
                "parameters": [
                    {"name": "uris", "type": "str", "kind": "rest"},
                    {"name": "options", "type": "int", "kind": "named rest"},
                ],
                "returns": "none",
            },
            {"name": "version", "doc": "", "parameters": [], "returns": "str"},
        ],
    }


def test_a_mapping_offers_its_functions_under_its_keys() -> None:
    def add(a, b=()):  # type: ignore[no-untyped-def]
        return a

    interface = Interface.of({"length": len, "add": add})
    assert interface.describe() == {
        "doc": "",
        "methods": [
            {
                "name": "add",
                "doc": "",
                "parameters": [
                    {"name": "a", "type": "any", "kind": "plain"},
                    {"name": "b", "type": "any", "kind": "plain", "default": "()"},
                ],
                "returns": "any",
            },
            {
                "name": "length",
                "doc": "Return the number of items in a container.",
                "parameters": [{"name": "obj", "type": "any", "kind": "plain"}],
                "returns": "any",
            },
        ],
    }


def test_an_object_without_public_methods_is_no_service() -> None:
    service = object()
    with pytest.raises(UsageError) as caught:
        Interface.of(service)
    assert str(caught.value) == f"{service!r} has no public methods to offer"


def test_introspect_is_reserved() -> None:
    with pytest.raises(UsageError) as caught:
        Interface.of({"introspect": len})
    assert str(caught.value) == "a service can't have a method 'introspect' of its own: the bus's clients answer it"


def test_a_name_that_can_not_be_called_is_refused() -> None:
    with pytest.raises(InvalidName):
        Interface.of({"not a method": len})


def test_an_unknown_method_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownMethod) as caught:
        Interface.of(Player()).method("pause")
    assert caught.value.message == "no method 'pause'; there are: play, queue, version, introspect"


def test_good_arguments_are_bound() -> None:
    bound = Interface.of(Player()).method("play").bind(["x.ogg"], {"loud": True, "at": 2})
    assert (bound.args, bound.kwargs) == (("x.ogg", True), {"at": 2})
    bound = Interface.of(Player()).method("queue").bind(["a", "b"], {"gap": 3})
    assert (bound.args, bound.kwargs) == (("a", "b"), {"gap": 3})


USAGE = "it is play(uri: str, loud: bool = False, at: float | none = None) -> int"


def test_wrong_arguments_are_refused_with_what_is_wrong() -> None:
    assert play_refused() == f"play(): missing a required argument: 'uri'; {USAGE}"
    assert play_refused("x", True, 1.0) == f"play(): too many positional arguments; {USAGE}"
    assert play_refused("x", speed=2) == f"play(): got an unexpected keyword argument 'speed'; {USAGE}"
    assert play_refused(7) == "play(): argument 'uri' must be str, not int"
    assert play_refused("x", 1) == "play(): argument 'loud' must be bool, not int"
    assert play_refused("x", at="now") == "play(): argument 'at' must be float | none, not str"
    assert play_refused("x", at=True) == "play(): argument 'at' must be float | none, not bool"


def test_each_of_the_rest_is_checked() -> None:
    queue = Interface.of(Player()).method("queue")
    with pytest.raises(InvalidArguments) as caught:
        queue.bind(["a", 1], {})
    assert caught.value.message == "queue(): argument 'uris' must be str, not int"
    with pytest.raises(InvalidArguments) as caught:
        queue.bind([], {"gap": "long"})
    assert caught.value.message == "queue(): argument 'options' must be int, not str"


def test_a_method_shows_its_usage() -> None:
    assert Interface.of(Player()).method("queue").usage() == "(*uris: str, **options: int) -> none"


def test_hints_that_can_not_be_resolved_say_nothing() -> None:
    def tune(station: "NotImportedHere") -> "NotImportedHere":  # type: ignore[name-defined]  # noqa: F821
        return station

    method = Interface.of({"tune": tune}).method("tune")
    assert method.usage() == "(station: any) -> any"
    assert method.bind([object], {}).args == (object,)


def test_a_parameter_without_a_hint_takes_anything() -> None:
    def echo(value):  # type: ignore[no-untyped-def]
        return value

    method = Interface.of({"echo": echo}).method("echo")
    assert [method.bind([value], {}).args for value in (1, "x", None)] == [(1,), ("x",), (None,)]


def test_only_the_blocking_face_refuses_a_coroutine_function() -> None:
    async def play() -> None:
        await asyncio.Event().wait()

    with pytest.raises(UsageError) as caught:
        Interface.of({"play": play}).refuse_async()
    assert str(caught.value) == "play() is async, which only pybus.aio can run"


def test_plain_methods_suit_the_blocking_face() -> None:
    interface = Interface.of(Player())
    interface.refuse_async()
    assert sorted(interface.names) == ["play", "queue", "version"]


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (str, "str"),
        (None, "none"),
        (list[str], "list"),
        (tuple[int, ...], "list"),
        (Sequence[int], "list"),
        (dict[str, int], "dict"),
        (Mapping[str, int], "dict"),
        (datetime, "datetime"),
        (int | None, "int | none"),
        (Optional[bytes], "bytes | none"),  # noqa: UP045
        (list[int] | list[str], "list"),
        (int | Callable[[], None], "any"),
        (Literal["on", "off", 3], "str | int"),
        (Any, "any"),
        (object, "any"),
        (Player, "any"),
    ],
)
def test_a_hint_has_this_text_on_the_wire(hint: object, text: str) -> None:
    assert type_text(hint) == text


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        (True, {"bool"}),
        (1, {"int", "float"}),
        (1.5, {"float"}),
        ("x", {"str"}),
        (b"x", {"bytes"}),
        ([1], {"list"}),
        ({1: 2}, {"dict"}),
        (datetime(2024, 1, 2, tzinfo=UTC), {"datetime"}),
        (None, {"none"}),
    ],
)
def test_a_value_fits_these_types_only(value: object, kinds: set[str]) -> None:
    every = {"bool", "int", "float", "str", "bytes", "list", "dict", "datetime", "none"}
    assert {kind for kind in every if fits(kind, value)} == kinds
    assert fits("any", value)
    assert fits(" | ".join(sorted(every)), value)


def test_a_calls_body_is_two_kinds_of_arguments() -> None:
    assert arguments([[1, "a"], {"b": 2}]) == ([1, "a"], {"b": 2})


@pytest.mark.parametrize("body", [None, [], [[]], [[], {}, 1], [{}, []], [[], {1: 2}], {"a": 1}, "ab"])
def test_any_other_body_of_a_call_is_refused(body: object) -> None:
    with pytest.raises(InvalidArguments) as caught:
        arguments(body)
    assert caught.value.message == (
        "a call's body must be an array of two: positional arguments and a map of named ones"
    )


def test_a_function_whose_arguments_nobody_can_tell_is_named() -> None:
    with pytest.raises(UsageError, match=r"^Python can't tell what vars\(\) takes; wrap it in a function of your own$"):
        Interface.of({"vars": vars})
