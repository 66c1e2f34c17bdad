"""What an object says that its methods take."""

from pybus_services.dbus.introspection import method_signature

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
