"""Queues: messages that wait for a consumer, and everything that becomes of them.

Read `vhost.py` first (what there is), then `publishing.py` (a message comes in), `queue.py` (it waits) and
`consuming.py` (it goes out, and is settled). What happens without anybody's doing is in `overdue.py`, and what takes
more than a turn in `works.py`. Behaviour and reply texts are those of AMQP 0-9-1 as RabbitMQ has it.
"""
