"""Floor 2: frames to frames. Who is here, who owns which name, who hears which topic, what waits in which queue.

Nothing in this package knows a socket, a clock or a file: time is a parameter, bytes come in by
`Broker.receive` and leave by each `Peer`'s outbox. Read `broker.py` first, then the packages `queues` and `exchanges`.
"""
