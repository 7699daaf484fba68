"""Events of this machine, in an SQLite file next to the embedded DynamoDB's state.

`make run` keeps them: `append` is an event sink (`EVENTS=sqlite`, the default of local
development).
"""

import json
import logging
import sqlite3
import time
from contextlib import closing
from functools import cache
from pathlib import Path
from threading import Lock

from insights.event_lines import KeptEvent, parsed
from streams.events import EventFields
from streams.sinks.lines import event
from streams_project.local_dynamodb import LOCAL

FILE = LOCAL / "events.sqlite3"
DAYS_KEPT = 30
MS_PER_DAY = 86_400_000
SCHEMA = """
create table if not exists events (
    at integer not null, user text, body text not null
);
create index if not exists by_user on events (user, at);
create index if not exists by_time on events (at);
"""

log = logging.getLogger(__name__)
_lock = Lock()


def append(kind: str, now: int, fields: EventFields) -> None:
    """Keep an event.

    A file that cannot be written causes a warning. No request fails because of it.
    """
    recorded = event(kind, now, fields)
    row = (now, recorded.get("user"), json.dumps(recorded))
    try:
        with _lock, _connection() as connection:
            connection.execute("insert into events values (?, ?, ?)", row)
    except (OSError, sqlite3.Error) as exc:
        log.warning("the event %s was not kept: %s", kind, exc)


def read(
    *, since: int, until: int, user: str | None = None, file: Path | None = None
) -> list[KeptEvent]:
    """Return the events from `since` to before `until` (ms), oldest first.

    With `user` they are the events of one user. The list is empty if the file does
    not exist yet.
    """
    file = FILE if file is None else file
    if not file.is_file():
        return []

    query = "select body from events where at >= ? and at < ?"
    bounds: list[int | str] = [since, until]
    if user is not None:
        query += " and user = ?"
        bounds.append(user)

    query += " order by at, rowid"

    address = f"{file.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        rows = connection.execute(query, bounds)
        return [parsed(body) for (body,) in rows]


@cache
def _connection() -> sqlite3.Connection:
    """Return the process's connection. Opening it deletes the events of last month."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(FILE, timeout=1, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    # A power cut loses about a second of events of local development.
    connection.execute("pragma synchronous = off")
    connection.executescript(SCHEMA)

    oldest = time.time_ns() // 1_000_000 - DAYS_KEPT * MS_PER_DAY
    with connection:
        connection.execute("delete from events where at < ?", (oldest,))
    return connection
