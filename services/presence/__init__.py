"""Chat status. Start it with `python -m pybus_services.presence`, or by listening to `chat.#`.

`org.pybus.Presence` tells the contacts of a chat account (XMPP) whether the person is there, and the bus
what the chat server knows of that:

| topic | body, retained as long as the service runs |
|---|---|
| `chat.status` | `available`, `away`, `dnd` or `offline`: what the server knows: `offline` without a session |
| `chat.message` | the message beside it, as text |
| `chat.error` | why that is not what is wanted, for a person; none while it is |

Whoever publishes one of the four words to `chat.status` asks for that status, as the method `set` does. The
truth takes its place at once, and again when the server has been told. What was asked for last stands over
losses, restarts and reboots (`remembered`). Nobody is logged in who has not asked for it once.

After a failure it is tried again by growing pauses, and at once when something is asked for. What the server
has refused (a wrong password) is tried again only when something is asked for, and within a minute only if
the account says something else.

The files, from pure to shell: `presence` (what can be told), `wanted` (the person and the lock of the screen),
`pauses` (when to try again); `account`, `password` and `remembered` (what is read and run); `backend` (what a
chat network has to offer), `xmpp` (the one that does; it alone knows slixmpp); `line` (one login, kept alive);
`methods` (what callers get); `service` (joins all that with a bus).
"""
