"""The desktop's screensaver, kept off while somebody wants that. Start it with `python -m pybus_services.screensaver`.

`org.pybus.Screensaver` has three methods: `inhibit`, `release`, `state`; `pybus introspect` shows them. The
topic `desktop.screensaver` is "inhibited" or "allowed", retained for as long as the service runs.

The words are those of the desktop's own services on D-Bus, which do the work: an *inhibition* has a
reason and a *cookie*, by which whoever asked for it gives it back, and ends with its asker's connection.

The files: `desktop` (holds wishes on D-Bus), `methods` (what callers get), `service` (whose the wishes are;
joins all that with a bus).
"""
