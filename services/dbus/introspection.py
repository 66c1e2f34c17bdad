"""What an object says about itself: the specification's "Introspection Data Format".

Read here, for dbus-next refuses the whole of it for one name that breaks the grammar, and there are
services with such a property.
"""

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
