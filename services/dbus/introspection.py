"""What an object says about itself: the specification's "Introspection Data Format".

Read here, for dbus-next refuses the whole of it for one name that breaks the grammar, and there are
services with such a property. Written here for what this program offers, with its documentation in the
annotations that GLib's tools know.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

LONGEST = 2**20
"""Letters of a description. To read so many takes some hundredths of a second, in which nobody else is served."""


def method_signature(xml: str, interface: str, method: str) -> str | None:
    """The signature of what a method takes, None if the object does not say so.

    Raises `ValueError` if it has an argument without a type, or is too long. The signature may be malformed
    all the same.
    """
    if len(xml) > LONGEST:
        raise ValueError(f"its description has {len(xml)} letters; {LONGEST} are read")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    for one in root.iterfind("interface"):
        if one.get("name") != interface:
            continue
        for candidate in one.iterfind("method"):
            if candidate.get("name") == method:
                taken = [arg for arg in candidate.iterfind("arg") if arg.get("direction", "in") == "in"]
                types = [arg.get("type", "") for arg in taken]
                if "" in types:
                    raise ValueError(f"argument {types.index('') + 1} has no type")
                return "".join(types)
    return None


class Argument(NamedTuple):
    """A value that a method takes or gives, or that a signal has."""

    type: str
    name: str


class Method(NamedTuple):
    """A method, or a signal: then what it has is in `takes`."""

    name: str
    takes: tuple[Argument, ...]
    gives: tuple[Argument, ...]
    doc: str


class Property(NamedTuple):
    """A property that can be read, and tells its changes."""

    name: str
    type: str
    doc: str


class Interface(NamedTuple):
    """An interface as it is offered. doc: for a person, as all of these."""

    name: str
    doc: str
    methods: tuple[Method, ...]
    properties: tuple[Property, ...] = ()
    signals: tuple[Method, ...] = ()


def arguments(text: str) -> tuple[Argument, ...]:
    """Arguments as they are written: `s topic, v body`."""
    return tuple(Argument(*one.split(" ")) for one in text.split(", ") if one)


def signature_of(values: Iterable[Argument]) -> str:
    return "".join(one.type for one in values)


_HEAD = """<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
"""
_DOC = "org.gtk.GDBus.DocString"


def describe(interfaces: Iterable[Interface], below: Sequence[str]) -> str:
    """The description of an object, as XML. below: the names of the objects right below it."""
    node = ElementTree.Element("node")
    for interface in interfaces:
        made = _add(node, "interface", interface.doc, name=interface.name)
        for method in interface.methods:
            element = _add(made, "method", method.doc, name=method.name)
            for direction, values in (("in", method.takes), ("out", method.gives)):
                for one in values:
                    _add(element, "arg", "", name=one.name, type=one.type, direction=direction)
        for signal in interface.signals:
            element = _add(made, "signal", signal.doc, name=signal.name)
            for one in signal.takes:
                _add(element, "arg", "", name=one.name, type=one.type)
        for prop in interface.properties:
            _add(made, "property", prop.doc, name=prop.name, type=prop.type, access="read")
    for name in below:
        _add(node, "node", "", name=name)
    ElementTree.indent(node)
    return _HEAD + ElementTree.tostring(node, encoding="unicode") + "\n"


def _add(parent: ElementTree.Element, tag: str, doc: str, **attributes: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, attributes)
    if doc:
        ElementTree.SubElement(element, "annotation", {"name": _DOC, "value": doc})
    return element
