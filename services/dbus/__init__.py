"""D-Bus for programs on the bus. Start it with `python -m pybus_services.dbus`.

`org.pybus.DBus` has two methods: `call` a method of what is on the session or the system bus of
D-Bus, and `get` a property. `pybus introspect org.pybus.DBus` shows them.

The other way, `export` offers the bus to programs on D-Bus, as org.pybus.Bus.

The files, from pure to shell: `address` (where a D-Bus bus is), `names` (the grammar of its names,
and which signal a watcher gets), `values` (Python values to those of D-Bus), `writing` and `reading` (a
message to bytes and back; `writing` alone knows dbus-next), `introspection` (what an object says it
takes), `watches` (who wants which signals), `stream` and `bus` (a connection), `objects` (what is offered on
one), `link` (one that comes back), `service` (joins them with a bus).
"""
