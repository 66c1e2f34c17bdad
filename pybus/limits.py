"""Every limit of the bus in one table, each with its reason.

Budgets are per connection unless the table says otherwise: whoever goes past one is refused, and
nobody else notices. The grammar's own limits (255 bytes and 32 words in a name) are in
`pybus.names`, as they are part of what a name is.
"""

from typing import NamedTuple

KIB = 1024
MIB = 1024 * KIB


class Limits(NamedTuple):
    """The limits of one daemon. Sizes in bytes, times in seconds, the rest are counts."""

    frame: int = 16 * MIB
    """Largest frame. Holds a picture or an editor's buffer; a larger thing belongs in a file whose
    name is sent. It bounds what one connection's half-received frame can take."""

    connections: int = 4096
    """Connections at once, all peers together. A desktop has a hundred; a thousand more is a leak in
    a program, which then hears of it, in place of the daemon running out of memory."""

    handshake: float = 10.0
    """Time from connecting to a complete greeting. A peer that says nothing would hold a descriptor."""

    outbox: int = 16 * MIB
    """Bytes waiting for a peer that does not read. Past it signals to it are dropped and counted, and
    calls to it refused: it bounds the daemon's memory, and covers seconds of a program's pause."""

    owed: int = 1 * MIB
    """Bytes of answers waiting for a peer, past which its own frames are not read until it has
    taken them. Answers can't be dropped, so whoever asks without listening has to wait."""

    names: int = 256
    """Well-known names owned or waited for. A service has one or a few."""

    patterns: int = 16384
    """Patterns subscribed to. A monitor of many devices has hundreds; each takes some 300 bytes a word."""

    pending: int = 4096
    """Calls that a peer made and that are not answered yet. Bounds the deadline table."""

    serving: int = 4096
    """Calls delivered to a service and not answered yet. A service that far behind is stuck, and its
    callers are better told at once."""

    held: int = 1024
    """Calls of one connection that wait for services to start, so that it leaves room for those of others."""

    deadline: float = 25.0
    """Time that a call is allowed if the caller does not say: D-Bus' value, which a person waits. pybus's
    own clients always say, 25 s unless the program has another wish, so this holds for other clients."""

    retained_topics: int = 16384
    """Retained topics, all peers together."""

    retained_topics_each: int = 4096
    """Retained topics whose last value came from one connection, and ephemeral ones that it holds, so that none
    fills the table alone."""

    retained_value: int = 64 * KIB
    """Largest body of a retained signal, and of a will. State is small; no newcomer should be handed a
    picture."""

    retained_bytes: int = 32 * MIB
    """Bodies of retained signals, all peers together."""

    missed_topics: int = 128
    """Topics that are counted one by one for a peer that misses signals; further ones count under `#`."""

    messages_per_second: int = 100_000
    """Messages that a connection may send a second for longer than `burst`, while others use the bus as
    well. Past it the connection is read more slowly, which slows its program. A hundred times what a
    busy desktop has, all programs together: only a program that has gone wild meets it."""

    bytes_per_second: int = 160 * MIB
    """The same for bytes."""

    burst: float = 2.0
    """Seconds' worth of messages and bytes that a connection which was quiet may send at once."""

    alone: float = 100.0
    """How many times its budget a connection has while nobody else sends anything. Whoever has the bus to
    itself takes nothing from anybody, and may move as much as the machine can."""

    turn: int = 2048
    """Signals and deliveries of one connection that are handled before all others get their turn; some
    milliseconds."""

    depth: int = 32
    """Messages that may cause each other in a row (a handler publishes, whose handler calls, ...). A
    chain that is meant has a few links; at most 62, as the wire has 63 for one too many."""

    routes: int = 16384
    """Topics whose receivers are remembered. Past it the memory is emptied and fills again, so that a
    publisher of endless new topics can't grow the daemon."""

    exchanges: int = 4096
    """Exchanges, all peers together. They are few by nature: a program that makes one for each message leaks."""

    queues: int = 65536
    """Queues, all peers together. Each takes a kilobyte and a half while it is empty."""

    bindings: int = 1_048_576
    """Bindings, all peers together; some hundred bytes each."""

    queue_length: int = 4_194_304
    """Messages that wait in one queue, whatever it was declared with. Past it publishers are refused, and told."""

    queued_bytes: int = 1024 * MIB
    """Memory that messages in queues take, all together. Past it publishers are refused, and told."""

    queue_memory: int = 32 * MIB
    """Bytes of messages that one queue keeps in memory. What comes past it is on disk only, until its turn comes."""

    unsafe: int = 16 * MIB
    """Bytes of a connection's messages on their way to the disk, past which its own frames are not read until they
    are there: whoever writes faster than the disk does has to wait."""

    uncommitted: int = 64 * MIB
    """Memory that the messages of a connection's transaction take until it is committed. They are in no queue yet, so
    the limits of queues don't bound them."""

    consumers: int = 1024
    """Consumers of one connection."""

    unacked: int = 65536
    """Messages that a connection has and did not ack, whatever its prefetch; it gets no more before it acks some."""

    delivering: int = 256 * KIB
    """Bytes waiting for a peer, past which it gets no further message of a queue: they wait better in the queue,
    from which another consumer may take them. About what one write takes."""

    farewell: float = 2.0
    """Time that peers get to take what waits for them when the daemon stops; it exits within 5 s."""
