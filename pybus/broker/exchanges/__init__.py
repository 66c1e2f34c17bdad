"""Exchanges: which queues a message goes to. One file for each type; `exchange.py` has what they share.

Nothing here delivers: routing yields a set of destinations, and what becomes of the message comes after
(`pybus.broker.queues`).
"""
