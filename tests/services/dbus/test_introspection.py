"""What an object says that its methods take."""

import pytest

from pybus_services.dbus.introspection import LONGEST, method_signature

XML = """<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="org.example.Other"><method name="Play"/></interface>
  <interface name="org.example.Player">
    <property name="not-a-valid-name" type="s" access="read"/>
    <method name="Play">
      <annotation name="org.example.Note" value="1"/>
      <arg name="what" type="s"/>
      <arg type="a{sv}" direction="in"/>
      <arg name="id" type="u" direction="out"/>
    </method>
    <method name="Stop"/>
  </interface>
  <node name="child"/>
</node>"""


def test_the_arguments_that_go_in() -> None:
    assert method_signature(XML, "org.example.Player", "Play") == "sa{sv}"
    assert method_signature(XML, "org.example.Player", "Stop") == ""
    assert method_signature(XML, "org.example.Other", "Play") == ""


def test_what_it_does_not_say() -> None:
    assert method_signature(XML, "org.example.Player", "Pause") is None
    assert method_signature(XML, "org.example.Nothing", "Play") is None
    assert method_signature("<node/>", "org.example.Player", "Play") is None
    assert method_signature("", "org.example.Player", "Play") is None
    assert method_signature("<node>", "org.example.Player", "Play") is None


def test_an_argument_without_a_type() -> None:
    xml = '<node><interface name="a.b"><method name="C"><arg type="s"/><arg name="which"/></method></interface></node>'
    with pytest.raises(ValueError, match="argument 2 has no type"):
        method_signature(xml, "a.b", "C")


def test_a_description_that_is_too_long() -> None:
    space = LONGEST - len("<node></node>")
    assert method_signature(f"<node>{' ' * space}</node>", "a.b", "C") is None
    with pytest.raises(ValueError, match="its description has 1048577 letters; 1048576 are read"):
        method_signature(f"<node>{' ' * (space + 1)}</node>", "a.b", "C")
