"""Floor 3, the daemon's shell: sockets, signals and the log around `pybus.broker`.

A byte's way: `session` reads it, `pybus.protocol` cuts frames, `pybus.broker` finds receivers, their
sessions write. `daemon` puts the parts together; `loop` runs them.
"""
