"""Durable state: a `pybus.storage.Store` in SQLite. It knows nothing of the bus but that interface."""
