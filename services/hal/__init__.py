"""This machine's hardware as topics. Start it with `python -m pybus_services.hal`, or by listening to `hal.#`.

A state is retained (r) and told when it changes; an event has a map, and that of a removal holds what was known.

| topic | body |
|---|---|
| `hal.power.ac` | r: `plugged` or `unplugged` |
| `hal.power.source` | r: `ac` or `battery` |
| `hal.power.battery.level` | r: whole percent over all of the machine's batteries |
| `hal.power.battery.NAME` | r: map of one battery, see `batteries` |
| `hal.power.battery.low`, `.critical` | r: the percent at which it became so; none while it is not |
| `hal.power.device.NAME` | r: map of a mouse's, keyboard's, headset's battery, see `peripherals` |
| `hal.usb.added`, `.removed` | a device, not its interfaces, see `usb` |
| `hal.block.added`, `.removed`, `.changed` | a disk or partition with its label, see `block` |
| `hal.block.media.inserted`, `.ejected`, `hal.block.eject_request` | the node of the drive |
| `hal.net.added`, `.removed`, `.renamed` | an interface, see `net` |
| `hal.net.NAME.link` | r: `up` or `down`, the carrier |
| `hal.display.hotplug` | the card, when something was plugged into it or out |
| `hal.display.CONNECTOR` | r: `connected` or `disconnected` |
| `hal.input.added`, `.removed` | a keyboard, mouse, touchpad ..., see `input` |
| `hal.lid` | r: `open` or `closed` |
| `hal.rfkill.KIND`, `hal.rfkill.KIND.by` | r: `blocked` or `unblocked`; by `soft`, `hard` or `both` |
| `hal.sound.added`, `.removed` | a card, see `sound` |
| `hal.backlight.NAME` | r: map: percent, and what changed it |
| `hal.bluetooth.added`, `.removed` | an adapter or a connection, see `bluetooth` |
| `hal.SUBSYSTEM.ACTION` | any uevent that says something else, with its properties as text |
| `hal.lost` | map: why (`overflow`, `restart`), overflows: events may be missing; states are right again |

NAME, KIND, CONNECTOR, SUBSYSTEM and ACTION are the kernel's words, `_` for what a topic can't hold.

A retained value lives as long as its source: the bus forgets it when the service's connection ends,
whatever way, and listeners hear that as a signal that is `cleared`, with the body None.

The files, from pure to shell: one for each kind of device; `catalogue` (the table of them: a new kind
is a new file and a row there); `present` (who is here, and the edges of that), `told` (what the bus
was told of the states); `rules` and `settings` (the user's own); `link` and `lid` (what udev does not
know); `udev` (the only one that knows pyudev); `methods` (what callers get); `service` (joins all that
with a bus).
"""
