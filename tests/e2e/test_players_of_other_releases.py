"""Players of earlier releases continue: their items and their tokens are read.

`items/RELEASE.json` contains both, with the instant at which they were recorded.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from streams import views
from streams.models import UserStreams
from tests.contract.catalogue import FOLDER
from tests.releases.checkout import releases
from tests.servers import PROJECT

ITEMS = Path(__file__).parent / "items"
FIRST_RELEASE = "3ef87f9"
"""Its tokens are not accepted: docs/upgrading.md."""
RECORDED = [each for each in releases() if each.short_commit != FIRST_RELEASE]
LATER_MS = 1000
RELAXED_MS = 150_000

LIVE = {
    "full": {"tv": True, "phone": True},
    "stopped": {"tv": False, "phone": False},
    "replaced": {"tv": False, "phone": True, "pc": True},
    "evicting": {"tv": False, "phone": True, "pc": True},
    "paused": {"tv": True, "phone": True},
    "paced": {"tv": True},
    "suspended": {"tv": False, "phone": False},
    "revived": {"tv": True},
    "grace": {"tv": True, "phone": True},
}
"""Whether each stream of the recorded users is live, by user and id."""


@dataclass
class Recorded:
    """Users who play on a release, at the instant after their last call."""

    users: dict[str, Any]
    api: httpx.Client

    def heartbeat(self, user: str, id: str) -> httpx.Response:
        """Send a heartbeat with the latest token of a stream."""
        tokens = {each["id"]: each["token"] for each in self.users[user]["tokens"]}
        path = f"/users/{user}/streams/{id}/heartbeat"
        return self.api.post(path, json={"token": tokens[id]})


@pytest.fixture(params=RECORDED, ids=[each.short_commit for each in RECORDED])
def recorded(
    request: pytest.FixtureRequest,
    api: httpx.Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Recorded]:
    """Store the items of a release, and let its players' next second pass."""
    content = json.loads((ITEMS / f"{request.param.short_commit}.json").read_text())
    settings.LEASE_TOKEN_KEYS = [content["key"]]
    settings.PLANS = str(FOLDER / "denying.toml")
    users = {user["name"]: user for user in content["users"]}
    for user in users.values():
        arguments = {"TableName": UserStreams.Meta.table_name, "Item": user["item"]}
        UserStreams.call("PutItem", arguments)

    class Clock:
        """The clock of the views. Every user was recorded within two minutes."""

        now_ms = 0

        @classmethod
        def time_ns(cls) -> int:
            return cls.now_ms * 1_000_000

    def set_clock(request: httpx.Request) -> None:
        """Let a second pass since the user's last call."""
        user = request.url.path.split("/")[2]
        Clock.now_ms = users[user]["recorded_at"] + LATER_MS

    monkeypatch.setattr(views, "time", Clock)
    hooks: Any = {"request": [set_clock]}
    with httpx.Client(base_url=api.base_url, event_hooks=hooks) as clocked:
        yield Recorded(users, clocked)


@pytest.mark.parametrize("user", LIVE)
def test_each_player_continues_or_learns_that_its_stream_ended(
    recorded: Recorded, user: str
) -> None:
    statuses = {id: recorded.heartbeat(user, id).status_code for id in LIVE[user]}
    expected = {id: 200 if is_live else 410 for id, is_live in LIVE[user].items()}

    assert statuses == expected


def test_a_grace_lease_gets_its_slot(recorded: Recorded) -> None:
    answer = recorded.heartbeat("grace", "tv")

    assert answer.json()["isGrace"] is False
    listing = recorded.api.get("/users/grace/streams").json()
    assert {stream["id"] for stream in listing["streams"]} == {"tv", "phone"}


def test_the_pace_in_a_token_applies(recorded: Recorded) -> None:
    body = recorded.heartbeat("paced", "tv").json()

    assert body["leaseSeconds"] == RELAXED_MS / 1000


def test_a_paused_stream_resumes_before_its_pause_ends(recorded: Recorded) -> None:
    before = recorded.api.get("/users/paused/streams/tv").json()
    after = recorded.heartbeat("paused", "tv").json()

    assert (before["state"], after["state"]) == ("paused", "playing")


def test_the_limit_counts_the_streams_of_another_release(recorded: Recorded) -> None:
    answer = recorded.api.put("/users/full/streams/pc", json={"streamId": "news"})

    assert answer.status_code == 409
    assert [stream["id"] for stream in answer.json()["streams"]] == ["tv", "phone"]


def test_every_release_has_its_items() -> None:
    recorded = {path.stem for path in ITEMS.glob("*.json")}
    assert recorded == {release.short_commit for release in releases()}


def test_the_continuous_integration_runs_two_releases() -> None:
    assert "make releases" in (PROJECT / ".ci" / "run").read_text()
