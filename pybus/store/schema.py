"""The tables of the store, and how those of an older version become those of this one.

`PRAGMA user_version` holds the version. Each step is the statements that lead from the version that is its place in
`STEPS` to the next one; all that are needed run in one transaction. A store of a newer version is not touched.
"""

from __future__ import annotations

import sqlite3

_FIRST = (
    """
    CREATE TABLE exchange (
        name TEXT PRIMARY KEY, type TEXT NOT NULL, auto_delete INTEGER NOT NULL, internal INTEGER NOT NULL,
        arguments BLOB NOT NULL
    ) WITHOUT ROWID""",
    """
    CREATE TABLE queue (
        number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, auto_delete INTEGER NOT NULL, arguments BLOB NOT NULL,
        marked INTEGER NOT NULL
    )""",
    """
    CREATE TABLE binding (
        source TEXT NOT NULL, destination TEXT NOT NULL, to_exchange INTEGER NOT NULL, key TEXT NOT NULL,
        arguments BLOB NOT NULL, PRIMARY KEY (source, destination, to_exchange, key, arguments)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE message (
        place INTEGER PRIMARY KEY, returns INTEGER NOT NULL, priority INTEGER NOT NULL, since REAL NOT NULL, due REAL,
        size INTEGER NOT NULL, volatile INTEGER NOT NULL, data BLOB NOT NULL
    )""",
)
"""A message's place is its queue's number times 2**40, plus its position."""

_SHARED = (
    "CREATE TABLE frame (number INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    "ALTER TABLE message ADD COLUMN frame INTEGER",
    "CREATE INDEX message_frame ON message (frame) WHERE frame IS NOT NULL",
    """
    CREATE TRIGGER message_gone AFTER DELETE ON message WHEN old.frame IS NOT NULL
    BEGIN
        DELETE FROM frame
        WHERE number = old.frame AND NOT EXISTS (SELECT 1 FROM message WHERE message.frame = old.frame);
    END""",
)
"""A frame that came into several queues is there once, and goes with the last message that has it."""

STEPS = (_FIRST, _SHARED)
VERSION = len(STEPS)


class NewerVersion(Exception):
    """The store was written by a newer pybus than this one."""


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a store, 0 if there is nothing in it yet. Raises `NewerVersion`, and what sqlite3 raises."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise NewerVersion(
            f"it has version {version}, and this pybus knows versions up to {VERSION};"
            " start the newer pybus again, or move the file away"
        )
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a store to this version. Raises `NewerVersion`, and what sqlite3 raises."""
    version = version_of(connection)
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
