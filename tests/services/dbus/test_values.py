"""Python values to D-Bus values. Variants are shown as (signature, value)."""

from datetime import UTC, datetime

import pytest

from pybus_services.dbus.values import MOST_VALUES, Encoder, Signature, Typed, variant_signature
from pybus_services.dbus.writing import types_of

_encoder = Encoder(types_of, lambda signature, value: (signature, value))


def encoded(signature: str, *values: object) -> list[object]:
    return list(_encoder.arguments(signature, values))


@pytest.mark.parametrize(
    ("signature", "value"),
    [
        ("b", True),
        ("d", 0.5),
        ("s", "ü"),
        ("o", "/a/b"),
        ("g", "a{sv}"),
        ("ay", b"\0\xff"),
        ("as", ["a", "b"]),
        ("as", []),
        ("(si)", ["a", 1]),
        ("a{s(ib)}", {"a": [1, True]}),
        ("a{ua{ss}}", {1: {"a": "b"}}),
    ],
)
def test_values_that_fit_stay(signature: str, value: object) -> None:
    assert encoded(signature, value) == [value]


@pytest.mark.parametrize(
    ("token", "least", "most"),
    [
        ("y", 0, 255),
        ("n", -(2**15), 2**15 - 1),
        ("q", 0, 2**16 - 1),
        ("i", -(2**31), 2**31 - 1),
        ("u", 0, 2**32 - 1),
        ("x", -(2**63), 2**63 - 1),
        ("t", 0, 2**64 - 1),
    ],
)
def test_integers_within_their_range(token: str, least: int, most: int) -> None:
    assert encoded(token * 2, least, most) == [least, most]
    for beyond in (least - 1, most + 1):
        with pytest.raises(
            ValueError, match=f"argument 1 is {beyond}, and type '{token}', .*, is from {least} to {most}"
        ):
            encoded(token, beyond)


@pytest.mark.parametrize(
    ("signature", "value", "wanted"),
    [
        ("d", 2, 2.0),
        ("ay", [0, 255], b"\0\xff"),
        ("(ss)", ("a", "b"), ["a", "b"]),
        ("v", True, ("b", True)),
        ("v", 1, ("i", 1)),
        ("v", 2**31, ("x", 2**31)),
        ("v", 2**63, ("t", 2**63)),
        ("v", 0.5, ("d", 0.5)),
        ("v", "/a", ("s", "/a")),
        ("v", b"a", ("ay", b"a")),
        ("v", ["a", "b"], ("as", ["a", "b"])),
        ("v", [1, -(2**40)], ("ax", [1, -(2**40)])),
        ("v", [-1, 2**63], ("av", [("i", -1), ("t", 2**63)])),
        ("v", [1, True], ("av", [("i", 1), ("b", True)])),
        ("v", [], ("av", [])),
        ("v", [[1], ["a"]], ("av", [("ai", [1]), ("as", ["a"])])),
        ("v", {}, ("a{sv}", {})),
        ("v", {"a": {"b": 1}}, ("a{sv}", {"a": ("a{sv}", {"b": ("i", 1)})})),
        ("v", {1: "a"}, ("a{iv}", {1: ("s", "a")})),
        ("a{sv}", {"urgency": 2}, {"urgency": ("i", 2)}),
        ("a{sv}", {"urgency": {"signature": "y", "value": 2}}, {"urgency": ("y", 2)}),
        ("v", {"signature": "o", "value": "/a"}, ("o", "/a")),
        ("v", {"signature": "(uv)", "value": [7, "a"]}, ("(uv)", [7, ("s", "a")])),
        ("v", {"signature": "v", "value": {"signature": "q", "value": 1}}, ("v", ("q", 1))),
        (
            "v",
            {"signature": "u", "value": 1, "more": 2},
            ("a{sv}", {"signature": ("s", "u"), "value": ("i", 1), "more": ("i", 2)}),
        ),
        ("v", {"signature": 1, "value": 2}, ("a{sv}", {"signature": ("i", 1), "value": ("i", 2)})),
        (
            "v",
            {"signature": "a{sv}", "value": {"signature": "u", "value": 1}},
            ("a{sv}", {"signature": ("s", "u"), "value": ("i", 1)}),
        ),
    ],
)
def test_values_that_are_turned_into_another(signature: str, value: object, wanted: object) -> None:
    assert encoded(signature, value) == [wanted]


@pytest.mark.parametrize(
    ("signature", "values", "complaint"),
    [
        ("", ["a"], "given are 1 arguments, and the signature '' has 0"),
        ("ss", ["a"], "given are 1 arguments, and the signature 'ss' has 2"),
        ("si", ["a", "b"], "argument 2 must be a 32-bit integer (type 'i'), not 'b'"),
        ("i", [True], "argument 1 must be a 32-bit integer (type 'i'), not True"),
        ("i", [1.0], "argument 1 must be a 32-bit integer (type 'i'), not 1.0"),
        ("b", [1], "argument 1 must be a bool (type 'b'), not 1"),
        ("d", [True], "argument 1 must be a number (type 'd'), not True"),
        ("d", [10**400], "argument 1 is too large for a number (type 'd')"),
        ("s", [None], "argument 1 must be a text (type 's'), not None"),
        ("s", [b"a"], "argument 1 must be a text (type 's'), not b'a'"),
        ("as", ["a"], "argument 1 must be a list (type 'as'), not 'a'"),
        ("as", [["a", 1]], "argument 1[1] must be a text (type 's'), not 1"),
        ("ay", ["a"], "argument 1 must be bytes (type 'ay'), not 'a'"),
        ("ay", [[256]], "argument 1[0] is 256, and type 'y', byte, is from 0 to 255"),
        ("(si)", [["a"]], "argument 1 must be a list of 2 (type '(si)'), not ['a']"),
        ("a{sv}", [["a"]], "argument 1 must be a dict (type 'a{sv}'), not ['a']"),
        ("a{ss}", [{1: "a"}], "key 1 of argument 1 must be a text (type 's'), not 1"),
        ("a{sa{si}}", [{"a": {"b": "c"}}], "argument 1['a']['b'] must be a 32-bit integer (type 'i'), not 'c'"),
        ("v", [None], "argument 1 is a value for which D-Bus has no type: None"),
        ("a{sv}", [{"a": None}], "argument 1['a'] is a value for which D-Bus has no type: None"),
        ("v", [2**64], "argument 1 is a value for which D-Bus has no type: 18446744073709551616"),
        (
            "v",
            [{"a": 1, 2: 3}],
            "argument 1: the keys of a dict must be all texts, all integers, all numbers or all bools",
        ),
        ("v", [{b"a": 1}], "argument 1: the keys of a dict must be all texts, all integers, all numbers or all bools"),
        (
            "v",
            [{"signature": "u", "value": -1}],
            "argument 1 is -1, and type 'u', unsigned 32-bit integer, is from 0 to 4294967295",
        ),
        ("v", [{"signature": "uu", "value": 1}], "argument 1: a variant has a signature of one type, not 'uu'"),
        ("v", [{"signature": "", "value": 1}], "argument 1: a variant has a signature of one type, not ''"),
        ("v", [{"signature": "(", "value": 1}], 'argument 1: missing closing ")" for struct'),
        (
            "a{si}",
            [{"k" * 99: "a"}],
            f"argument 1['{'k' * 27}...{'k' * 28}'] must be a 32-bit integer (type 'i'), not 'a'",
        ),
        ("o", ["a"], "argument 1: 'a' is no object path: it must be like /org/example/Player"),
        ("i", ["x" * 100], f"argument 1 must be a 32-bit integer (type 'i'), not '{'x' * 27}...{'x' * 28}'"),
    ],
)
def test_values_that_do_not_fit(signature: str, values: list[object], complaint: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        encoded(signature, *values)
    assert str(refused.value) == complaint


_exact = Encoder(types_of, lambda signature, value: (signature, value), exact=True)


@pytest.mark.parametrize(
    ("signature", "value", "wanted"),
    [
        ("v", None, ("g", "")),
        ("v", [None, None], ("ag", ["", ""])),
        ("v", [None, 1], ("av", [("g", ""), ("i", 1)])),
        ("v", datetime(2026, 11, 28, 18, 30, tzinfo=UTC), ("s", "2026-11-28T18:30:00+00:00")),
        ("v", {"at": datetime(2026, 11, 28, tzinfo=UTC)}, ("a{sv}", {"at": ("s", "2026-11-28T00:00:00+00:00")})),
        ("v", {1.5: 1}, ("a{dv}", {1.5: ("i", 1)})),
        ("v", {True: 1}, ("a{bv}", {True: ("i", 1)})),
        ("v", {2**63: 1, 1: 2}, ("a{tv}", {2**63: ("i", 1), 1: ("i", 2)})),
        ("v", Signature("as"), ("g", "as")),
        (
            "v",
            {"signature": "u", "value": 1},
            ("a{sv}", {"signature": ("s", "u"), "value": ("i", 1)}),
        ),
        ("a{sv}", {"id": Typed("u", 7)}, {"id": ("u", 7)}),
        ("v", Typed("v", Typed("(si)", ["a", 1])), ("v", ("(si)", ["a", 1]))),
    ],
)
def test_exact_values_are_nothing_but_themselves(signature: str, value: object, wanted: object) -> None:
    assert _exact.arguments(signature, [value]) == [wanted]


@pytest.mark.parametrize(
    ("signature", "value", "complaint"),
    [
        ("s", None, "the body must be a text (type 's'), not None"),
        (
            "u",
            datetime(2026, 1, 1, tzinfo=UTC),
            "the body must be an unsigned 32-bit integer (type 'u'), not datetime.",
        ),
        ("v", {None: 1}, "the body: the keys of a dict must be all texts, all integers, all numbers or all bools"),
        ("v", [{"a": {1, 2}}], "the body[0]['a'] is a value for which D-Bus has no type: {1, 2}"),
    ],
)
def test_complaints_call_values_what_they_are_told(signature: str, value: object, complaint: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        _exact.arguments(signature, [value], ["the body"])
    assert str(refused.value).startswith(complaint)


@pytest.mark.parametrize(("value", "signature"), [(True, "b"), ([2**31], "ax"), ({"a": 1}, "a{sv}")])
def test_the_signature_of_a_variant(value: object, signature: str) -> None:
    assert variant_signature(value) == signature


@pytest.mark.parametrize(
    ("signature", "value", "too_many"),
    [
        ("as", ["a"] * (MOST_VALUES - 1), ["a"] * MOST_VALUES),
        ("ay", [1] * (MOST_VALUES - 1), [1] * MOST_VALUES),
        ("aas", [["a"] * (MOST_VALUES - 2)], [["a"] * (MOST_VALUES // 2), ["a"] * (MOST_VALUES // 2)]),
        ("v", ["a"] * (MOST_VALUES - 2), [["a"]] * MOST_VALUES),
        ("a{ss}", {"a": "b"}, {str(number): "a" for number in range(MOST_VALUES // 2)}),
        ("s", "x" * 1_000_000, ["a"] * (MOST_VALUES + 1)),
        ("o", "/a" * MOST_VALUES, "/a" * MOST_VALUES * 8),
        ("ag", ["s" * 200] * 900, ["s" * 200] * 1000),
        (
            "av",
            [{"signature": f"a({'s' * 200})", "value": []}] * 900,
            [{"signature": f"a({'s' * 200})", "value": []}] * 1000,
        ),
    ],
)
def test_so_many_values_pass_and_more_are_refused(signature: str, value: object, too_many: object) -> None:
    encoded(signature, value)
    with pytest.raises(ValueError, match="a message can have 50000 values here, and this one has more"):
        encoded(signature, too_many)
