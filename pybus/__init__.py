"""pybus: a message bus for the desktop. One daemon per user, on a Unix socket.

    import pybus

    with pybus.connect() as bus:                    # blocking; pybus.aio.connect() for asyncio
        bus.publish("hal.power.ac", "unplugged", retain=True)
        for signal in bus.subscribe("hal.power.#"):
            print(signal.topic, signal.body, signal.sender)

Everything public is here; names are imported when first used, so that `import pybus` costs nothing.
"""

__version__ = "0.1.0"
