"""What an object says about itself: the specification's "Introspection Data Format".

Read here, for dbus-next refuses the whole of it for one name that breaks the grammar, and there are
services with such a property.
"""

from xml.etree import ElementTree


def method_signature(xml: str, interface: str, method: str) -> str | None:
    """The signature of what a method takes, None if the object does not say so."""
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
                return "".join(arg.get("type", "") for arg in taken)
    return None
