r"""Floor 1: bytes to frames and back. No sockets, no clocks, no state but a half-received frame.

THE PYBUS WIRE, VERSION 1
=========================

This text is the specification: a client in another language can be written from it alone.

1. Transport
------------
A Unix stream socket. Its address is `$PYBUS_ADDRESS` (`unix:/absolute/path`), else
`$XDG_RUNTIME_DIR/pybus/bus`, else `/run/user/UID/pybus/bus`. The bus identifies a peer by the
socket's credentials (SO_PEERCRED); there is no other authentication. All numbers are little-endian.

2. Opening
----------
The client writes 8 bytes, `PYBUS`, 0, 0, 1 (the last is the version), and one HELLO frame. The bus
writes the same 8 bytes and one WELCOME frame. The client waits for it before it sends more, for it
holds the client's number, which each further frame must carry. A bus that speaks no version that the
client offers, or is spoken to in another protocol, writes its own 8 bytes and a BYE frame with the
reason, and closes. HELLO has at most 4096 bytes and comes within 10 seconds.

3. Frames
---------
    offset  size  field
    0       4     length    of the whole frame, these 4 bytes included
    4       1     kind
    5       1     flags
    6       2     key length
    8       4     sender    number of the connection that made the frame; 0 is the bus
    12      4     target    number of the connection that it is for; other uses in the table
    16      4     serial    chosen by the sender; an answer repeats the one that it answers
    20      ...   key       UTF-8, no terminator
    ...     ...   body      the rest

The bus checks `sender` against the connection and passes the sender's own bytes on as they are.

    kind        from      key               target            body
    1 HELLO     client    -                 0                 map: program (text for people; may be absent)
    2 WELCOME   bus       -                 your number       map, see 4
    3 SIGNAL    both      topic             0 (see 6, 10)     any value
    4 CALL      both      name SP method    time allowed, ms  [positional..., {named}], see 7, 10
    5 ANSWER    both      -                 the caller        any value
    6 ERROR     both      topic or -        the caller        [name, message], see 9
    7 MISSED    bus       -                 your number       map: topic to count, see 6
    8 PEER      bus       -                 your number       map, see 7
    9 BYE       both      -                 0                 [name, message] or nil, see 8
    10 PUBLISH  client    exchange NUL key  bytes of the      properties, then any value; see 12
                                            properties
    11 DELIVER  bus       as in PUBLISH     as in PUBLISH     as in PUBLISH; serial: of the consume call
    12 SETTLE   client    -                 see 12            -
    13 CONFIRMED bus      -                 your number       -
    14 RETURN   bus       as in PUBLISH     as in PUBLISH     as in PUBLISH

    flag            with            meaning
    1   RAW         SIGNAL, ANSWER  the body is raw bytes, not msgpack
    2   RETAIN      SIGNAL          keep this as the topic's value
    4   RETAINED    SIGNAL          (set by the bus) this is a kept value, not news
    8   CLEAR       SIGNAL          forget the topic's kept value; the body is nil
    16  CONFIRM     SIGNAL          answer with the number of connections that got it
    32  NO_REPLY    CALL            do not answer, not even with an error
    64  CAUSED      SIGNAL, CALL    another message has caused this one, see 10
    128 ON_CHANGE   SIGNAL          with RETAIN: pass it on only if that changes the topic's value

In frames of queues the numbers have other meanings, but for RAW and CAUSED:

    2   PERSISTENT  PUBLISH, DELIVER the message survives the daemon, in a queue that is durable
    4   REDELIVERED DELIVER         it may have been delivered before
    8   MANDATORY   PUBLISH         give it back by RETURN if it reaches no queue
    16  CONFIRM     PUBLISH         answer with CONFIRMED
    2   NACK        SETTLE, CONFIRMED  the message was not processed, or not taken by a queue
    4   REQUEUE     SETTLE          with NACK: it goes back to its queue
    8   MULTIPLE    SETTLE, CONFIRMED  all before it as well
    16  UNTAKEN     SETTLE          with REQUEUE: the program never had it in hand

A body is one msgpack value, unless RAW is set. Points in time are msgpack's timestamp extension
(type -1). Maps may have keys of any kind. The bus never looks into the body of a frame that it
passes on.

A frame whose length is below 20 + key length or above the limit that WELCOME gave, an unknown kind,
a kind that only the bus may send, a flag that the kind does not have, a sender that is not one's own
number: each is a violation. The bus says so in a BYE frame and closes.

4. WELCOME
----------
    number   your connection's number; your unique name is ":" and this number. Never used again.
    bus      32 hexadecimal digits, new each time the daemon starts
    version  the daemon's version, text
    frame    the largest frame that the bus takes, bytes

5. The bus's own object
-----------------------
Names, subscriptions, wills and statistics are method calls to the name `org.pybus.Bus`. Its method
`introspect` describes all others (see 7). Those that a client needs:

    request_name(name, allow_replacement=false, replace=false, queue=true) -> "owner", "queued",
        "taken" or "already owner";  release_name(name) -> "released", "not owner" or "no such name"
    subscribe(patterns, retained=true) -> nil;  unsubscribe(patterns) -> nil
    get(topic) -> map: topic, body (the frame's body as bytes), raw, sender, age (seconds), ephemeral,
        holder (unique name, or nil if it is not ephemeral); see 7
    set_will(topic, body (bytes), raw, retain, clear) -> nil;  clear_will() -> nil

When a name changes hands the bus publishes `bus.name.NAME` with {"name", "old", "new"}, where the
last two are unique names or nil, before it answers the call that caused it.

6. Signals
----------
A topic is words joined by dots (grammar: `pybus.names`). In a pattern `*` is exactly one word and `#`
zero or more. A signal goes once to each connection that has at least one matching pattern, the
publisher included. Signals of one publisher arrive in its order. `bus.` topics are the bus's own (see
11); a pattern whose first word is `*` or `#` matches none of them: who wants them says `bus.#`.

With RETAIN the bus keeps the frame, in place of the topic's former one. `subscribe` hands out the kept
frames that match its patterns, before its answer: RETAINED set, `target` your number, `serial` that
of the subscribe call (`sender` is still the publisher). CLEAR forgets, and reaches subscribers; it
wins over RETAIN. Only the bus may set RETAINED. With ON_CHANGE a signal goes to nobody if its body and
its RAW are those of the kept frame; CONFIRM is then answered with 0.

With RETAIN the lowest bit of `target` makes the value ephemeral: the bus forgets it when its holder, the last
connection that said so, ends in whatever way, and after the holder's will. Subscribers are told by
a SIGNAL with CLEAR, `sender` the holder. While the holder is there, what others publish without the bit is kept
in place of its value, and is forgotten with the holder's end like that. The holder's next value without the
bit, or its will, is a lasting one. All this holds for ON_CHANGE, too, if the value is the same. In signals
without RETAIN the bit says nothing, nor do the bits of `target` of which neither this section nor 10 speaks.

A signal that is refused is answered by ERROR with the signal's serial, and its topic as key. Signals
to one topic that arrive together are refused by one ERROR, with the serial of the last.
With CONFIRM it is answered by ANSWER: the number of connections and queues (see 12) that it was handed to.

If a connection's outgoing bytes pass the limit, signals to it are dropped and counted until half of
them are taken. Then a MISSED frame comes, at the place in the stream where the gap is: how many
signals of which topics are missing. Past 128 different topics the rest is counted under `#`.

7. Calls
--------
The key is the destination's name (well-known, or unique such as `:17`), one blank, and the method.
`target` is the time allowed in milliseconds, 0 for the default (25 s). The body is an array of two:
the array of positional arguments and the map of named ones. `serial` must not be that of a call of
yours that is still unanswered.

Each call is answered once: by the service (ANSWER or ERROR, `target` the caller's number, `serial`
the call's), or by the bus (`sender` 0) if there is no such name, the service ends, the time passes,
or the service does not read. An answer to no open call is dropped and counted.

If nobody has the name and a service file describes it, the bus starts the service, and the call waits
until the name is claimed, within its time. If the service fails to start, the calls that wait for it get
the error StartFailed with the reason; they go to it in their order otherwise. A subscription to a topic
that a service file declares starts the service too, unless the pattern's first word is `*` or `#`.

So does a `get` of such a topic that has no value, if the service takes calls. Like a call it waits until the
name is claimed, but is answered as soon as the topic has a value, whoever publishes it. If the service claims
its name without one, or fails to start, the next one that declares the topic is started; if there is none, the
answer is the first one's StartFailed, or NoSuchValue. A service should therefore publish its states before
it claims its name. An ephemeral value whose holder is a service that has been told to end counts as none.

Before the first call of a caller that a service does not know yet, the service gets a PEER frame:
number, uid, pid, program (short name), executable (path). When that caller has gone, another one
says so: number, gone (true).

A service should have the method `introspect`, without parameters:

    {"doc": text, "methods": [{"name", "doc", "parameters": [{"name", "type", "kind",
     "default" (absent if required)}], "returns": type}]}

with types as text (`str`, `int`, `float`, `bool`, `bytes`, `list`, `dict`, `datetime`, `any`, and
alternatives joined by ` | `), kind one of `plain`, `named`, `rest` and `named rest`.

8. Ending
---------
BYE from a client: all that it sent before has been handled; the bus answers BYE with nil and closes.
A connection that ends without one publishes its will, if it left one; closing the client's direction
of the socket ends it. With or without one, its ephemeral values are forgotten (see 6). All that happens in
this order: its callers are told, its will is published, its ephemeral values are forgotten, its names pass
on. BYE from the bus gives the reason as [name, message].

9. Errors
---------
A name is dotted text. The bus's own begin with `org.pybus.Error.`; all are classes in `pybus.errors`,
whose docstrings say when each is sent.

10. Chains
----------
Who sends a signal or call because of another one (from its handler or method) sets CAUSED. The highest
6 bits of `target` then hold the depth: one more than that of the message which is handled, where one
without CAUSED has depth 0; 63 stands for all that is deeper. The lower 26 bits are, in a CALL, the time
allowed, which ends at 67 108 863 ms, and in a SIGNAL as in 6. Calls to `org.pybus.Bus` are no links.

A message deeper than the limit (32, at most 62) is refused with LoopCut, whose text names the chain.

11. The bus's own topics
------------------------
Their bodies are maps; `name` is a unique name but in the three lines where it says NAME. None is retained.

    bus.name.NAME     name, old, new: see 5
    bus.service.NAME  name, event, and with the event
                      starting: pid, why                  running: pid, owner, after (seconds)
                      exited: pid, status, signal, ran (seconds), stderr (last lines), expected
                      restarting: pause (seconds), failures (in a row)
                      failed: reason      gave up: failures, reason      stopped: nothing
    bus.listeners.NAME  name, listeners: how many patterns of others ask for the topics that the service
                      declares, as a subscription that starts it does; told when that becomes 0, or is 0 no more
    bus.peer.joined   name, program, pid
    bus.peer.gone     name, names (well-known), program, pid, how, status, signal, age (seconds); how is
                      goodbye, exited, killed, closed (the process lives), thrown out or unknown
    bus.storm         name, program, pid, topic (its last), rate (messages a second), bytes (a second),
                      limit_messages, limit_bytes: it sends more than it may, and is not read for as
                      long as it takes to come back within its limits; told once for a storm
    bus.loop          chain (list of text, one for each different link), depth: see 10; a loop that
                      goes on is told every 10 s
    bus.monitor       to a connection that called `monitor` only, one for each run of frames that passes:
                      at (CLOCK_MONOTONIC), kind ("signal", "call", "answer", "error"), sender,
                      receivers, missed (of these, who was full), all numbers of connections; key,
                      serial, flags, ephemeral (see 6), count (frames), size (bytes), bodies (as on the wire),
                      queues (names of those that get it). So too for messages of queues (see 12), with key
                      the routing key, and further exchange, queue, service, consumer, reason, age (seconds),
                      properties; kind is then "publish" (queues: where it is routed to; service: the one that it
                      calls), "deliver" (from queue to consumer, a tag, or nil for get_message), "ack", "nack",
                      "reject" (in queue), "return", or "died" (queue gave it up for reason, or was too full to
                      take it; exchange, key and queues are of the dead letter, exchange is nil if there is none)

12. Queues
----------
Exchanges, queues and bindings are those of AMQP 0-9-1, and what is said of them there holds here, as RabbitMQ
does it. They are declared, bound and deleted by methods of the bus's own object, which have the names of AMQP's
(`declare_queue(name, passive, durable, exclusive, auto_delete, arguments)` is `queue.declare`); `introspect`
describes them. A connection is one AMQP channel. A refusal closes nothing, it is an error answer; its text
is RabbitMQ's.

PUBLISH goes to an exchange, "" is the default one. Its key is the exchange's name, a zero byte, and the routing
key. Its body begins with the message's properties, a msgpack map of as many bytes as the lower 26 bits of `target`
say, 0 if there are none; the rest is the value, msgpack or with RAW any bytes. Properties are content_type,
content_encoding, correlation_id, reply_to, expiration (milliseconds, as text), message_id, type, user_id, app_id
and cluster_id, all text; headers, a map; priority, 0 to 255; timestamp. `delivery_mode` is the flag PERSISTENT.

A PUBLISH that is refused is answered by ERROR as a SIGNAL is, with its key; with CONFIRM each has an ERROR of its
own. Else with CONFIRM it is answered by CONFIRMED with its serial, once it is safe: at once if nothing is to be
written to disk. CONFIRMED with MULTIPLE stands for all earlier ones as well that wait for it; with NACK a queue
refused them (`x-overflow`). With MANDATORY a message that reaches no queue comes back as RETURN, its own bytes
but for the kind, before it is confirmed. CAUSED is as in 10.

`consume(queue, tag, no_ack, exclusive, prefetch, arguments)` makes a consumer. Its messages come as DELIVER: the
publisher's own bytes but for kind, flags and serial, which is that of the consume call, so that must not be the
serial of another consumer of yours. They may come before the answer. An ERROR with that serial after the answer
says that the consumer is one no more (ConsumerCancelled; PreconditionFailed, where it did not settle a delivery
within the queue's `x-consumer-timeout`, and what it had went back). Deliveries are counted from 1 on for each
connection: the first DELIVER has the delivery tag 1, and so on; what `get_message` answers has a tag and is counted
like that, at its place among the frames.

A PUBLISH frame may be as large as the frame limit but for 4096 bytes, or but for a quarter of a limit under 16 KiB:
a message grows on its way, by its history or by the answer that it is in. A larger one is refused (TooLarge). What
the bus has taken it hands out, even if it has become larger than the limit by a very long history, or the limit was
lowered since: of all frames from the bus only DELIVER and the answers of `get_message` and `peek_messages` may be so.

In a queue that limits deliveries (`x-delivery-limit`) a message that came back has the header `x-delivery-count`.

SETTLE says what became of a delivery: done, or with NACK thrown away (to the dead letters, if the queue has any),
or with NACK and REQUEUE given back. What is given back again and again pauses, and counts for `x-delivery-limit`;
not so with UNTAKEN, for what the program has not looked at, which does not wait for a commit either. `target` is the
higher and `serial` the lower half of its tag; with MULTIPLE all up to this tag are meant, and by tag 0 all there are.
An unknown tag is refused by ERROR with serial 0 and the key `settle`. What is not settled when the connection ends
goes back to its queue, and has come back once more, whether or not the program has looked at it: the bus can't know.
Where that is limited, a prefetch keeps a program that dies of one message from taking others along. A consumer gets
no more than `prefetch` unsettled messages, and none while more than 256 KiB wait for its connection.

`amq.topic` is the topics of section 6: a queue that is bound to it gets the signals that match as messages, and
a message to it reaches subscribers as a SIGNAL without its properties, if its routing key can be a topic.

A message to the default exchange whose routing key is the name of a service, and of no queue, is a call of it:
the property `type` is the method, and the body that of a CALL. The answer is published to the queue that `reply_to`
names, with the same `correlation_id`; an error has its name as the header `error`, and its body is [name, message].
"""
