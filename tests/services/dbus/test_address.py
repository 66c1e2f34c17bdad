"""Addresses of D-Bus buses to the sockets to try."""

import pytest

from pybus_services.dbus.address import sockets


def test_the_session_bus_is_where_the_environment_says() -> None:
    environment = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/tmp/dbus,guid=12", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert sockets("session", environment) == ["/tmp/dbus"]


def test_else_it_is_in_the_runtime_folder() -> None:
    assert sockets("session", {"XDG_RUNTIME_DIR": "/run/user/7"}) == ["/run/user/7/bus"]


def test_else_there_is_none() -> None:
    with pytest.raises(ConnectionError) as failed:
        sockets("session", {})
    assert str(failed.value) == "neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set"


def test_the_system_bus_has_a_place_of_its_own() -> None:
    assert sockets("system", {}) == ["/var/run/dbus/system_bus_socket"]
    assert sockets("system", {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/other"}) == ["/run/other"]


def test_several_addresses_keep_their_order_and_other_transports_are_passed_over() -> None:
    address = (
        "unix:path=/a;tcp:host=localhost,port=1;unix:abstract=/b;autolaunch:;;unix:runtime=yes;unix:guid=1,path=/c"
    )
    assert sockets(address, {}) == ["/a", "\0/b", "/c"]


def test_escaped_bytes() -> None:
    assert sockets("unix:path=/with%20blank%2c%c3%bc*", {}) == ["/with blank,ü*"]


@pytest.mark.parametrize("address", ["", ";", "unix:", "tcp:host=localhost,port=1", "nonsense"])
def test_an_address_of_no_use(address: str) -> None:
    with pytest.raises(ConnectionError) as failed:
        sockets(address, {})
    assert str(failed.value) == f"the address {address!r} has no part that begins with unix:path= or unix:abstract="
