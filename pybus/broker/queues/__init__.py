"""Queues: messages that wait for a consumer, and everything that becomes of them.

Read `vhost.py` first (what there is), then `publishing.py` (a message comes in), `queue.py` (it waits) and
`consuming.py` (it goes out, and is settled). Behaviour and reply texts are those of AMQP 0-9-1 as RabbitMQ has it.
"""
