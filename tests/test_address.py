"""Where the bus is: the order in which the places are looked at, and what is refused."""

import os

import pytest

from pybus.address import MAX_PATH, bus_path
from pybus.errors import AddressError

OWN_FOLDER = f"/run/user/{os.getuid()}"
HAS_OWN_FOLDER = os.path.isdir(OWN_FOLDER) and os.stat(OWN_FOLDER).st_uid == os.getuid()


def complaint(address: str | None, environ: dict[str, str]) -> str:
    with pytest.raises(AddressError) as caught:
        bus_path(address, environ)
    return str(caught.value)


def test_a_given_address_wins_over_the_environment() -> None:
    environ = {"PYBUS_ADDRESS": "unix:/second", "XDG_RUNTIME_DIR": "/third"}
    assert bus_path("unix:/first", environ) == "/first"


def test_the_address_in_the_environment_wins_over_the_runtime_folder() -> None:
    assert bus_path(environ={"PYBUS_ADDRESS": "unix:/second", "XDG_RUNTIME_DIR": "/third"}) == "/second"


def test_else_it_is_in_the_runtime_folder() -> None:
    assert bus_path(environ={"XDG_RUNTIME_DIR": "/third"}) == "/third/pybus/bus"


def test_else_it_is_in_the_users_own_folder_or_the_error_says_what_to_set() -> None:
    for environ in ({}, {"XDG_RUNTIME_DIR": ""}):
        if HAS_OWN_FOLDER:
            assert bus_path(environ=environ) == f"{OWN_FOLDER}/pybus/bus"
        else:
            assert complaint(None, environ) == (
                "no address for the bus: $PYBUS_ADDRESS and $XDG_RUNTIME_DIR are not set and"
                f" {OWN_FOLDER} is not yours; set PYBUS_ADDRESS=unix:/absolute/path"
            )


@pytest.mark.parametrize("address", ["", "/run/bus", "unix:", "unix:bus", "tcp:/run/bus", "unix"])
def test_an_address_that_is_not_unix_and_an_absolute_path_is_refused(address: str) -> None:
    rest = f"is {address!r}; it must be unix: and an absolute path, such as unix:/run/me/bus"
    assert complaint(address, {}) == f"the address {rest}"
    assert complaint(None, {"PYBUS_ADDRESS": address}) == f"$PYBUS_ADDRESS {rest}"


def test_a_relative_runtime_folder_is_refused() -> None:
    assert complaint(None, {"XDG_RUNTIME_DIR": "run"}) == "$XDG_RUNTIME_DIR is 'run', which is not an absolute path"


def test_a_path_of_107_bytes_is_the_longest() -> None:
    path = "/" + "b" * (MAX_PATH - 1)
    assert bus_path(f"unix:{path}", {}) == path
    assert complaint(f"unix:{path}b", {}) == f"the path {path}b has 108 bytes; a socket's path has at most 107"


def test_the_length_is_counted_in_bytes_in_the_runtime_folder_too() -> None:
    folder = "/" + "é" * 50
    assert complaint(None, {"XDG_RUNTIME_DIR": folder}) == (
        f"the path {folder}/pybus/bus has 111 bytes; a socket's path has at most 107"
    )


def test_a_path_may_hold_a_colon() -> None:
    assert bus_path("unix:/run/a:b", {}) == "/run/a:b"
