"""Messages of rtnetlink to what is known of the interfaces."""

import errno
import sys
from typing import Any

import pytest

from pybus_services.hal.link import Interfaces, Links

UP, LOWER_UP, LOOPBACK = 0x1, 0x10000, 0x8
UNSPEC, BRIDGE = 0, 7
IN_ANSWER, INTERRUPTED = 0x2, 0x12


def link(index: int, name: str | bytes, *, up: bool = False, flags: int = UP, **more: Any) -> dict[str, Any]:
    return _message(16, index, name, flags | (LOWER_UP if up else 0), **more)


def gone(index: int, name: str, **more: Any) -> dict[str, Any]:
    return _message(17, index, name, 0, **more)


def done(header: int = IN_ANSWER) -> dict[str, Any]:
    return {"header": {"type": 3, "flags": header}}


def refusal(number: int) -> dict[str, Any]:
    return {"header": {"type": 2, "flags": 0}, "error": -number}


def _message(
    kind: int, index: int, name: str | bytes, flags: int, family: int = UNSPEC, header: int = 0
) -> dict[str, Any]:
    return {
        "header": {"type": kind, "flags": header},
        "family": family,
        "index": index,
        "flags": flags,
        "ifname": name,
    }


def asked(*messages: dict[str, Any]) -> Interfaces:
    """What is known after an answer of these messages."""
    interfaces = Interfaces()
    interfaces.ask()
    interfaces.take([*messages, done()])
    assert (interfaces.stale, interfaces.asking) == (False, False)
    return interfaces


def test_before_the_first_answer_all_have_to_be_asked_for() -> None:
    interfaces = Interfaces()
    assert (interfaces.stale, interfaces.asking, interfaces.values()) == (True, False, {})
    interfaces.ask()
    assert (interfaces.stale, interfaces.asking, interfaces.values()) == (False, True, {})


def test_the_link_is_the_carrier_of_an_interface_that_is_up() -> None:
    interfaces = asked(link(2, "eth0", up=True), link(3, "wlan0"), link(4, "tun0", flags=0))
    assert interfaces.values() == {
        "hal.net.eth0.link": "up",
        "hal.net.wlan0.link": "down",
        "hal.net.tun0.link": "down",
    }


def test_the_loopback_is_left_out() -> None:
    assert asked(link(1, "lo", up=True, flags=UP | LOOPBACK)).values() == {}


@pytest.mark.parametrize(
    ("name", "word"), [("eth0.10", "eth0_10"), ("büro", "b_ro"), (b"pb\xffx", "pb\\xffx"), ("a#*", "a__")]
)
def test_each_name_is_one_word(name: str | bytes, word: str) -> None:
    assert asked(link(2, name)).values() == {f"hal.net.{word}.link": "down"}


def test_news_replace_what_was_known() -> None:
    interfaces = asked(link(2, "eth0", up=True))
    interfaces.take([link(2, "eth0"), link(3, "eth1", up=True)])
    assert interfaces.values() == {"hal.net.eth0.link": "down", "hal.net.eth1.link": "up"}


def test_an_interface_that_goes_takes_its_topic_along() -> None:
    interfaces = asked(link(2, "eth0", up=True), link(3, "eth1"))
    interfaces.take([gone(2, "eth0"), gone(9, "never-heard-of")])
    assert interfaces.values() == {"hal.net.eth1.link": "down"}


def test_a_renamed_interface_has_its_new_topic_only() -> None:
    interfaces = asked(link(2, "eth0", up=True))
    interfaces.take([link(2, "lan", up=True)])
    assert interfaces.values() == {"hal.net.lan.link": "up"}


def test_a_port_that_leaves_its_bridge_is_still_there() -> None:
    interfaces = asked(link(2, "eth0", up=True))
    interfaces.take([link(2, "eth0", family=BRIDGE), gone(2, "eth0", family=BRIDGE)])
    assert interfaces.values() == {"hal.net.eth0.link": "up"}


def test_a_later_answer_tells_who_went_unheard() -> None:
    interfaces = asked(link(2, "eth0"), link(3, "eth1"), link(4, "eth2"))
    interfaces.ask()
    interfaces.take([link(2, "eth0", up=True), link(5, "eth3"), gone(4, "eth2")])
    assert interfaces.values() == {
        "hal.net.eth0.link": "up",
        "hal.net.eth1.link": "down",
        "hal.net.eth3.link": "down",
    }
    interfaces.take([done()])
    assert interfaces.values() == {"hal.net.eth0.link": "up", "hal.net.eth3.link": "down"}


def test_an_interrupted_answer_says_nothing_about_who_is_missing() -> None:
    interfaces = asked(link(2, "eth0"), link(3, "eth1"))
    interfaces.ask()
    interfaces.take([link(2, "eth0", up=True, header=INTERRUPTED), done()])
    assert (interfaces.stale, interfaces.asking) == (True, False)
    assert interfaces.values() == {"hal.net.eth0.link": "up", "hal.net.eth1.link": "down"}
    interfaces.ask()
    interfaces.take([link(2, "eth0", up=True), done()])
    assert (interfaces.stale, interfaces.asking) == (False, False)
    assert interfaces.values() == {"hal.net.eth0.link": "up"}


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.EBUSY])
def test_an_answer_that_had_no_room_is_asked_for_again_at_its_end(number: int) -> None:
    interfaces = asked(link(2, "eth0"), link(3, "eth1"))
    interfaces.ask()
    interfaces.take([refusal(number), link(2, "eth0")])
    assert (interfaces.stale, interfaces.asking) == (False, True)
    interfaces.take([done()])
    assert (interfaces.stale, interfaces.asking) == (True, False)
    assert interfaces.values() == {"hal.net.eth0.link": "down", "hal.net.eth1.link": "down"}


def test_a_refusal_is_an_error() -> None:
    interfaces = asked()
    interfaces.ask()
    with pytest.raises(OSError, match="doesn't list") as caught:
        interfaces.take([refusal(errno.EPERM)])
    assert caught.value.errno == errno.EPERM


async def test_without_pyroute2_there_are_no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    links = Links()
    with pytest.raises(OSError, match="pyroute2 is not installed"):
        await links.open(lambda: None)
    links.close()
    assert links.values() == {}
