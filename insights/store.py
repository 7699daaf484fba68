"""Events of this machine: `make run` keeps them in an SQLite file beside the embedded DynamoDB's state.

`append` is a sink (`EVENTS=sqlite`, the default of local development). Lines of JSON, as `EVENTS=log` writes them, are
read with `read_lines`, wherever they come from.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from streams.events import EventFacts
from streams_project.events import VERSION, event
from streams_project.local_dynamodb import LOCAL

type KeptEvent = dict[str, Any]

FILE = LOCAL / "events.sqlite3"
DAYS_KEPT = 30
SCHEMA = """
create table if not exists events (at integer not null, user text, body text not null);
create index if not exists by_user on events (user, at);
create index if not exists by_time on events (at);
"""

log = logging.getLogger(__name__)
_lock = Lock()


def append(kind: str, now: int, facts: EventFacts) -> None:
    """Keep an event. A file that cannot be written is a warning: no request fails for it."""
    said = event(kind, now, facts)
    try:
        with _lock, _connection() as connection:
            connection.execute(
                "insert into events values (?, ?, ?)",
                (now, said.get("user"), json.dumps(said)),
            )
    except (OSError, sqlite3.Error) as exc:
        log.warning("the event %s was not kept: %s", kind, exc)


def read(
    *, since: int, until: int, user: str | None = None, file: Path = FILE
) -> list[KeptEvent]:
    """The events from `since` to before `until` (ms), oldest first; of one user, or of all. None where nothing was
    kept yet."""
    if not file.is_file():
        return []
    query, bounds = "select body from events where at >= ? and at < ?", [since, until]
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        if user is None:
            rows = connection.execute(f"{query} order by at, rowid", bounds)
        else:
            rows = connection.execute(
                f"{query} and user = ? order by at, rowid", [*bounds, user]
            )
        return [json.loads(body) for (body,) in rows]


def read_lines(
    lines: Iterable[str], *, since: int, until: int, user: str | None = None
) -> list[KeptEvent]:
    """The events among these lines, oldest first. Other lines, which a log has too, are skipped."""
    found = [event for event in _events_in(lines) if since <= event["at"] < until]
    mine = (
        found
        if user is None
        else [event for event in found if event.get("user") == user]
    )
    return sorted(mine, key=lambda event: int(event["at"]))


def _events_in(lines: Iterable[str]) -> Iterator[KeptEvent]:
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if (
            isinstance(found, dict)
            and found.get("v") == VERSION
            and {"kind", "at"} <= found.keys()
        ):
            yield found


@cache
def _connection() -> sqlite3.Connection:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(FILE, timeout=1, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute(
        "pragma synchronous = off"
    )  # what a power cut loses is a second of a demonstration
    connection.executescript(SCHEMA)
    with connection:
        connection.execute(
            "delete from events where at < ?",
            (time.time_ns() // 1_000_000 - DAYS_KEPT * 86_400_000,),
        )
    return connection
