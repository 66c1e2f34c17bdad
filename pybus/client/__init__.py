"""Floor 3, the client: one core without I/O, and a blocking and an asyncio face around it.

`core.Core` knows the protocol and what the program holds (calls in flight, subscriptions, names,
services, its will); bytes go in by `receive` and come out by `take`. `blocking.Bus` and `aio.Bus`
add a socket and a way to wait; they have the same methods. The faces differ in waiting only.
"""
