"""Errors: their families, and the way of an error answer through its name and back."""

import pickle

import pytest

from pybus import errors
from pybus.errors import (
    PREFIX,
    BodyError,
    BusError,
    CallError,
    ConnectionLost,
    InvalidName,
    NameHasNoOwner,
    NoBus,
    NotConnected,
    PybusError,
    ServiceError,
    error_answer,
)

ANSWERS = BusError.__subclasses__()


@pytest.mark.parametrize("error", ANSWERS)
def test_each_error_of_the_bus_comes_back_from_the_wire_as_its_own_class(error: type[BusError]) -> None:
    sent = error("it is so")
    arrived = error_answer(sent.name, sent.message)
    assert type(arrived) is error
    assert (arrived.name, arrived.message) == (f"org.pybus.Error.{error.__name__}", "it is so")


@pytest.mark.parametrize("name", ["org.example.NoSuchFile", "", PREFIX, PREFIX + "BusError", PREFIX + "New"])
def test_any_other_name_comes_back_as_a_service_error(name: str) -> None:
    arrived = error_answer(name, "no file")
    assert type(arrived) is ServiceError
    assert (arrived.name, arrived.message) == (name, "no file")


def test_an_error_answer_shows_its_message_and_name() -> None:
    assert str(NameHasNoOwner("nobody owns it")) == "nobody owns it (org.pybus.Error.NameHasNoOwner)"
    assert str(ServiceError("org.example.Broken", "")) == "org.example.Broken"


@pytest.mark.parametrize("error", [NameHasNoOwner("gone"), ServiceError("org.example.Broken", "gone")])
def test_an_error_answer_survives_pickling(error: CallError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (copy.name, copy.message, str(copy)) == (error.name, error.message, str(error))


def test_every_error_is_a_pybus_error_and_says_when_it_comes() -> None:
    found = [what for what in vars(errors).values() if isinstance(what, type)]
    assert {what for what in found if not issubclass(what, PybusError)} == set()
    assert {what for what in found if not what.__doc__} == set()


def test_the_families_are_these() -> None:
    assert issubclass(ConnectionLost, NotConnected)
    assert issubclass(NoBus, NotConnected)
    assert issubclass(InvalidName, ValueError)
    assert issubclass(BodyError, ValueError)
    assert not issubclass(CallError, NotConnected)
