"""The bus on D-Bus, for programs that speak nothing else. Start it with `python -m pybus_services.dbus.export`.

org.pybus.Bus on the session bus has one object, /org/pybus/Bus, with the interface org.pybus.Bus1;
`gdbus introspect --session --dest org.pybus.Bus --object-path /org/pybus/Bus` shows it with its documentation.
D-Bus starts it when somebody calls it, and it is independent of the bus, so that it can tell when that has
gone, and go on when it is back.

The files, from pure to shell: `messages` (what a Message says), `outgoing` (what waits for one D-Bus peer, and
how fast it goes), `peers` (who holds subscriptions and values), `upstream` (the connection to pybus), `interface`
(the methods), `exporter` (joins them).
"""
