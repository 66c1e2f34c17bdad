"""The names of D-Bus, and rules."""

from collections.abc import Callable

import pytest

from pybus_services.dbus.names import Rule, check_bus_name, check_interface, check_member, check_path, refuse_reserved

LONG = "a." + "b" * 253
"""At the limit."""


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_path, ["/", "/a", "/a/B_9"], ["", "a", "/a/", "//", "/a-b", "/a\n", "/ä"]),
        (
            check_bus_name,
            ["a.b", "a-.-b", ":1.2", ":a-1.2.3", LONG],
            ["", "a", "a.", ".a", "a..b", "a.1", ":1", ":", ":1.\n", "a.b\n", "a.ä", LONG + "b"],
        ),
        (check_interface, ["a.b", "a._1.C", LONG], ["", "a", "a.", "a.1", "a-b.c", "a.b\n", ":1.2", LONG + "b"]),
        (check_member, ["a", "_", "Get9", "b" * 255], ["", "9", "a.b", "a-b", "a\n", "ä", "b" * 256]),
    ],
)
def test_the_grammar(check: Callable[[str], str], good: list[str], bad: list[str]) -> None:
    assert [check(name) for name in good] == good
    for name in bad:
        with pytest.raises(ValueError, match="it must be like"):
            check(name)


def test_what_no_message_may_have() -> None:
    refuse_reserved("/org/freedesktop/DBus", "org.freedesktop.DBus")
    refuse_reserved("/org/freedesktop/DBus/Local/a", "")
    with pytest.raises(ValueError, match="the object path /org/freedesktop/DBus/Local is reserved"):
        refuse_reserved("/org/freedesktop/DBus/Local", "a.b")
    with pytest.raises(ValueError, match="the interface org.freedesktop.DBus.Local is reserved"):
        refuse_reserved("/", "org.freedesktop.DBus.Local")


def test_a_rule_as_the_bus_takes_it() -> None:
    assert Rule().text() == "type='signal'"
    full = Rule(":1.2", "/a", "a.b", "C", "it's")
    assert Rule(arg0namespace="org.mpris.MediaPlayer2").text() == "type='signal',arg0namespace='org.mpris.MediaPlayer2'"
    assert full.check().text() == r"type='signal',sender=':1.2',path='/a',interface='a.b',member='C',arg0='it'\''s'"


@pytest.mark.parametrize("rule", [Rule("a"), Rule(path="a"), Rule(interface="a"), Rule(member="a'b")])
def test_a_rule_of_malformed_names(rule: Rule) -> None:
    with pytest.raises(ValueError, match="it must be like"):
        rule.check()


def test_a_rule_matches_when_each_field_that_it_has_does() -> None:
    signal = (":1.2", "/a", "a.b", "C", "text")
    assert Rule().matches(*signal)
    assert Rule(*signal).matches(*signal)
    assert Rule(member="C", arg0="text").matches(*signal)
    for field in Rule._fields:
        assert not Rule(**{field: "other"}).matches(*signal)
        assert not Rule(*signal)._replace(**{field: "other"}).matches(*signal)


@pytest.mark.parametrize(
    ("name", "within"), [("a.b", True), ("a.b.c", True), ("a.b.c.d", True), ("a.bc", False), ("a", False), ("", False)]
)
def test_a_rule_for_a_namespace(name: str, within: bool) -> None:
    assert Rule(arg0namespace="a.b").matches(":1.2", "/a", "a.b", "C", name) is within
