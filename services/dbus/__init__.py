"""D-Bus for programs on the bus. Start it with `python -m pybus_services.dbus`, or by listening to its topics.

`org.pybus.DBus` has two methods: `call` a method of what is on the session or the system bus of
D-Bus, and `get` a property. `pybus introspect org.pybus.DBus` shows them. Besides, rules turn signals
and properties of D-Bus into topics, see `rules`; these are shipped (r: retained):

| topic | body |
|---|---|
| `media.PLAYER.status` | r: `playing`, `paused` or `stopped` |
| `media.PLAYER.track` | r: map of what is known: title, artist (list), album, url, length (seconds), art (a URL) |
| `session.screensaver` | r: `on` or `off` |
| `session.lock` | r: `locked` or `unlocked` |
| `session.sleep` | `sleep` before the machine sleeps, `wake` afterwards |
| `network.state` | r: `online`, `limited` or `offline` |

PLAYER is what follows `org.mpris.MediaPlayer2.` in the player's name, `_` for what a topic can't hold.

The files, from pure to shell: `address` (where a D-Bus bus is), `names` (the grammar of its names,
and which signal a watcher gets), `values` (Python values to those of D-Bus), `reading` (bytes to a
message), `introspection` (what an object says it takes), `watches` (who wants which signals), `stream`
and `bus` (a connection; `bus` alone knows dbus-next), `link` (one that comes back, for calls), `rules`
(D-Bus to topics), `service` (joins them with a bus).
"""
