"""A service that others can call. Start it, then in another terminal:

pybus introspect org.example.Player
pybus call org.example.Player play film.mkv volume=0.5
pybus call org.example.Player stop
pybus get media.player.status
"""

import pybus


class Player:
    """Plays films (this one only says so)."""

    def __init__(self, bus: pybus.Bus) -> None:
        self._bus = bus

    def play(self, uri: str, volume: float = 1.0) -> bool:
        """Start playing."""
        print(f"{pybus.caller().program} plays {uri} at {volume}", flush=True)
        self._bus.publish("media.player.status", "playing", retain=True)
        return True

    def stop(self) -> None:
        """Stop playing."""
        self._bus.publish("media.player.status", "stopped", retain=True)


with pybus.connect() as bus:
    bus.register("org.example.Player", Player(bus))
    try:
        bus.run()
    except KeyboardInterrupt:
        bus.clear("media.player.status")
