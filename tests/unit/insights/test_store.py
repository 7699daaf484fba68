"""Events that are kept on this machine."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from insights import store
from streams.audit import user_in_logs

NOW = time.time_ns() // 1_000_000


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(store, "FILE", tmp_path / "local" / "events.sqlite3")
    yield store.FILE
    ended()


def ended() -> None:
    """Close the file, as the end of the process that writes it does."""
    if store._connection.cache_info().currsize:
        store._connection().close()
        store._connection.cache_clear()


def kinds(
    file: Path, *, user: str | None = None, since: int = 0, until: int = NOW + 10
) -> list[str]:
    events = store.read(
        since=since,
        until=until,
        user=user,
        file=file,
    )
    return [event["kind"] for event in events]


def test_what_was_told_is_read_in_order_by_user_and_time(file: Path) -> None:
    assert kinds(file) == []
    for second, kind, user in (
        (2, "denied", "ana"),
        (1, "admitted", "ana"),
        (1, "stopped", "bob"),
    ):
        store.append(kind, NOW + second, {"user": user, "id": "tv"})

    assert kinds(file) == ["admitted", "stopped", "denied"]
    assert kinds(file, user=user_in_logs("ana")) == ["admitted", "denied"]
    assert kinds(file, since=NOW + 2) == ["denied"]
    assert kinds(file, until=NOW + 2) == ["admitted", "stopped"]
    assert b"bob" not in file.read_bytes()


def test_what_is_older_than_a_month_is_dropped_at_the_next_start(file: Path) -> None:
    store.append("admitted", NOW - 31 * 86_400_000, {"user": "ana"})
    store.append("denied", NOW, {"user": "ana"})
    ended()
    store.append("stopped", NOW, {"user": "ana"})

    assert kinds(file) == ["denied", "stopped"]


def test_a_file_that_cannot_be_written_is_a_warning(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        store.append("admitted", NOW, {"user": "ana"})

    assert "the event admitted was not kept" in caplog.text
