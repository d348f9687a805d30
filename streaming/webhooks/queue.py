"""What is still to be delivered, in sqlite: a process that is killed has lost none of it.

Events are taken in together with the position up to which they were: after a restart the log is
asked for what came later. With the write-ahead log not synced (NORMAL) a commit survives the
process, though perhaps not the machine.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from streaming.events.event import EventId, LoggedEvent, parse_id
from streaming.webhooks.messages import MEMORY

MOST_ATTEMPTS_KEPT: Final = 10_000
"""Of the delivery log, over all endpoints."""
MOST_PENDING: Final = 100_000
"""Of one endpoint: beyond it the oldest are given up. A receiver that is away for three days while
an event comes every other second."""


_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS position (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS endpoint (name TEXT PRIMARY KEY, disabled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS begun (name TEXT PRIMARY KEY, since TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, event TEXT NOT NULL, body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, due_utc REAL NOT NULL, UNIQUE (endpoint, event));
CREATE INDEX IF NOT EXISTS due ON delivery (endpoint, due_utc, number);
CREATE TABLE IF NOT EXISTS attempt (
    number INTEGER PRIMARY KEY, endpoint TEXT NOT NULL, event TEXT NOT NULL, at_utc REAL NOT NULL,
    attempt INTEGER NOT NULL, status INTEGER NOT NULL, error TEXT NOT NULL, took_s REAL NOT NULL,
    outcome TEXT NOT NULL);
"""

_SAME: Final = "number = ? AND endpoint = ? AND event = ?"
"""Numbers alone are given anew when what had them was forgotten while it was under way."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that an endpoint has not taken yet."""

    number: int
    endpoint: str
    event_id: str
    body: bytes
    attempts: int


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One line of the delivery log; the outcomes are those of verdict.Outcome."""

    endpoint: str
    event: str
    at_utc: float
    attempt: int
    status: int
    error: str
    took_s: float
    outcome: str
    number: int = 0
    """Rises from one to the next."""


class DeliveryQueue:
    """Owns the database; one thread alone uses it. Changes count from `commit` on."""

    def __init__(self, database: str) -> None:
        """Raises sqlite3.Error, OSError."""
        if database != MEMORY:
            os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._db = sqlite3.connect(database, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")

    def commit(self) -> None:
        """What was changed outlives the process from here on."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Commits and closes."""
        self._db.execute("COMMIT")
        self._db.close()

    # -- taking in ----------------------------------------------------------------------------

    @property
    def position(self) -> EventId | None:
        """Up to which event everything was taken in; None: nothing ever was."""
        row = self._db.execute("SELECT id FROM position").fetchone()
        return parse_id(row[0]) if row else None

    @position.setter
    def position(self, position: EventId) -> None:
        self._db.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (str(position),))

    def add(
        self,
        endpoint: str,
        events: Iterable[LoggedEvent],
        now_utc: float,
        *,
        again: bool = False,
    ) -> None:
        """Events that an endpoint is to be told; those it is still to be told stay as they are.

        `again`: those that wait for their next attempt are due now.
        """
        what = "UPDATE SET due_utc = excluded.due_utc" if again else "NOTHING"
        self._db.executemany(
            "INSERT INTO delivery (endpoint, event, body, due_utc) VALUES (?, ?, ?, ?)"
            f" ON CONFLICT (endpoint, event) DO {what}",
            [(endpoint, str(event.id), event.body, now_utc) for event in events],
        )

    def shed(self, endpoint: str) -> int:
        """Gives up the oldest deliveries beyond the bound; how many."""
        over = self.pending(endpoint) - MOST_PENDING
        if over > 0:
            self._db.execute(
                "DELETE FROM delivery WHERE number IN (SELECT number FROM delivery"
                " WHERE endpoint = ? ORDER BY number LIMIT ?)",
                (endpoint, over),
            )
        return max(0, over)

    # -- delivering ---------------------------------------------------------------------------

    def due(self, endpoint: str, now_utc: float, most: int, but: Collection[int]) -> list[Delivery]:
        """The deliveries to attempt now, those due first in front, without the numbers `but`."""
        rows = self._db.execute(
            "SELECT number, endpoint, event, body, attempts FROM delivery"
            " WHERE endpoint = ? AND due_utc <= ? ORDER BY due_utc, number LIMIT ?",
            (endpoint, now_utc, most + len(but)),
        ).fetchall()
        return [Delivery(*row) for row in rows if row[0] not in but][:most]

    def next_due_utc(self, endpoint: str, after_utc: float) -> float | None:
        """When something becomes due after a moment; None: nothing does."""
        row = self._db.execute(
            "SELECT MIN(due_utc) FROM delivery WHERE endpoint = ? AND due_utc > ?",
            (endpoint, after_utc),
        ).fetchone()
        return row[0]  # type: ignore[no-any-return]

    def done(self, delivery: Delivery) -> None:
        """It was delivered, or is given up."""
        self._db.execute(
            f"DELETE FROM delivery WHERE {_SAME}",
            (delivery.number, delivery.endpoint, delivery.event_id),
        )

    def put_off(self, delivery: Delivery, due_utc: float) -> None:
        """It failed and is tried again."""
        self._db.execute(
            f"UPDATE delivery SET attempts = attempts + 1, due_utc = ? WHERE {_SAME}",
            (due_utc, delivery.number, delivery.endpoint, delivery.event_id),
        )

    def pending(self, endpoint: str) -> int:
        """How many deliveries an endpoint has before it."""
        query = "SELECT COUNT(*) FROM delivery WHERE endpoint = ?"
        return int(self._db.execute(query, (endpoint,)).fetchone()[0])

    # -- endpoints ----------------------------------------------------------------------------

    def is_disabled(self, endpoint: str) -> bool:
        """Whether it wanted no more."""
        row = self._db.execute(
            "SELECT disabled FROM endpoint WHERE name = ?", (endpoint,)
        ).fetchone()
        return bool(row and row[0])

    def set_disabled(self, endpoint: str, *, disabled: bool) -> None:
        """It wants no more, or again; what it had before it is forgotten when it wants no more."""
        self._db.execute("INSERT OR REPLACE INTO endpoint VALUES (?, ?)", (endpoint, disabled))
        if disabled:
            self._db.execute("DELETE FROM delivery WHERE endpoint = ?", (endpoint,))

    def begin(self, endpoint: str, since: EventId) -> EventId:
        """After which event an endpoint is told; `since` where it is new."""
        self._db.execute("INSERT OR IGNORE INTO begun VALUES (?, ?)", (endpoint, str(since)))
        row = self._db.execute("SELECT since FROM begun WHERE name = ?", (endpoint,)).fetchone()
        return parse_id(row[0]) or since

    def has_begun(self, endpoint: str) -> bool:
        """Whether it is known after which event an endpoint is told."""
        query = "SELECT 1 FROM begun WHERE name = ?"
        return self._db.execute(query, (endpoint,)).fetchone() is not None

    def forget_others(self, names: Sequence[str]) -> None:
        """Endpoints that are not configured any more."""
        marks = ",".join("?" * len(names))
        for table, column in (("delivery", "endpoint"), ("endpoint", "name"), ("begun", "name")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} NOT IN ({marks})", names)

    # -- the delivery log ---------------------------------------------------------------------

    def record(self, attempt: AttemptRecord) -> None:
        """One attempt, and what came of it."""
        cursor = self._db.execute(
            "INSERT INTO attempt (endpoint, event, at_utc, attempt, status, error, took_s, outcome)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                attempt.endpoint,
                attempt.event,
                attempt.at_utc,
                attempt.attempt,
                attempt.status,
                attempt.error,
                attempt.took_s,
                attempt.outcome,
            ),
        )
        oldest = (cursor.lastrowid or 0) - MOST_ATTEMPTS_KEPT
        self._db.execute("DELETE FROM attempt WHERE number <= ?", (oldest,))

    def attempts(
        self,
        endpoint: str,
        most: int = 100,
        *,
        before: int | None = None,
        event: str = "",
        outcome: str = "",
    ) -> list[AttemptRecord]:
        """The latest ones of an endpoint, newest first; see FindAttempts."""
        rows = self._db.execute(
            "SELECT endpoint, event, at_utc, attempt, status, error, took_s, outcome, number"
            " FROM attempt WHERE endpoint = :endpoint AND (:before IS NULL OR number < :before)"
            " AND :event IN ('', event) AND :outcome IN ('', outcome)"
            " ORDER BY number DESC LIMIT :most",
            {
                "endpoint": endpoint, "before": before, "event": event, "outcome": outcome,
                "most": most,
            },
        )  # fmt: skip
        return [AttemptRecord(*row) for row in rows]
