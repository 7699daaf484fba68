"""The sessions of players, on disk.

A session is written before the call that it describes, so that a killed agent continues
where it was. The file contains players' tokens: its owner alone can read it.
"""

import asyncio
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

VERSION = 1


class State(StrEnum):
    """The state of a session.

    starting ──▶ playing ──▶ stopping ──▶ gone
        │  └───▶ waiting ──▶ kicking ──▶──┘
        └──────▶ unknown ──▶──────────────┘
    """

    STARTING = "starting"
    """The start is on its way to the limiter."""
    PLAYING = "playing"
    """The session has a lease."""
    WAITING = "waiting"
    """The player plays without a lease: the limiter is silent, and the agent open."""
    KICKING = "kicking"
    """The player must be cut."""
    STOPPING = "stopping"
    """The player has gone, and the limiter must free its slot."""
    UNKNOWN = "unknown"
    """The player was refused, and the limiter may have admitted it."""
    GONE = "gone"


IS_AT_THE_SERVER = (State.STARTING, State.PLAYING, State.WAITING, State.KICKING)


@dataclass(slots=True, kw_only=True)
class Session:
    """One player's connection to the media server. Times are seconds since 1970.

    `id` is the stream's id at the limiter. `credential` is kept only until the start
    is answered. `seen_at` is the last sign of the player, and not stored.
    """

    id: str
    adapter: str
    key: str
    stream_id: str
    user_id: str | None
    fingerprint: str
    started_at: float
    state: State = State.STARTING
    credential: str | None = None
    device: Mapping[str, str] = field(default_factory=dict)
    place: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    expires_at: float = 0.0
    due_at: float = 0.0
    reason: str = ""
    failures: int = 0
    seen_at: float = 0.0
    absences: int = 0
    call: "asyncio.Task[Any] | None" = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_at_the_server(self) -> bool:
        """Whether the media server may still serve this player."""
        return self.state in IS_AT_THE_SERVER


NOT_STORED = ("seen_at", "absences", "call", "wake", "failures")
STORED = [name for name in Session.__dataclass_fields__ if name not in NOT_STORED]


class Sessions:
    """The stored sessions. A second agent with the same file fails at its start."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it.

        Raises:
            sqlite3.Error, OSError
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None, timeout=1)
        try:
            self._prepare()
        except sqlite3.Error:
            self.close()
            raise

    def _prepare(self) -> None:
        """Lock the file, and create its table."""
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, content TEXT)"
        )
        self._database.execute(f"PRAGMA user_version = {VERSION}")

    def load(self) -> list[Session]:
        """Return the stored sessions."""
        rows = self._database.execute("SELECT content FROM sessions").fetchall()
        return [_session(json.loads(content)) for (content,) in rows]

    def save(self, session: Session) -> None:
        """Write a session, or delete it if it is gone."""
        if session.state is State.GONE:
            self._database.execute("DELETE FROM sessions WHERE id = ?", (session.id,))
            return

        content = {name: getattr(session, name) for name in STORED}
        self._database.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?)",
            (session.id, json.dumps(content)),
        )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _session(content: dict[str, Any]) -> Session:
    """Return a session from its stored members. Unknown ones are ignored."""
    known = {name: value for name, value in content.items() if name in STORED}
    return Session(**known | {"state": State(content["state"])})
