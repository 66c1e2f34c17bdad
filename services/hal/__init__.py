"""Hardware events as topics. Start it with `python -m pybus_services.hal`.

| topic | body | retained |
|---|---|---|
| `hal.SUBSYSTEM.ACTION` | map of text to text: the uevent's properties, as udev gives them | no |
| `hal.lost` | map: `overflows`, how often the kernel dropped events since the service started | no |
| `hal.power.ac` | `plugged` or `unplugged`; none on a machine without a mains supply | yes |

Actions are the kernel's: add, remove, change, move, online, offline, bind, unbind. Devices that are
there when the service starts make no events; `udevadm info --export-db` lists them.

A retained value lives as long as its source: the service clears it when it ends, and its last will
does when it crashes. Listeners hear of both as a signal that is `cleared`, with the body None.

The files, from pure to shell: `events` (one uevent to messages), `power` (supplies to states),
`catalogue` (the tables of both: a new kind of device is a new file and a row there), `states` (what
the bus was told last), `udev` (the only one that knows pyudev), `service` (joins them with a bus).
"""
