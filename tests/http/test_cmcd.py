"""CMCD: players' reports as heartbeats, over HTTP."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

import httpx
import pytest

from streams import heartbeat_rate, service
from streams.cmcd import handles, playbacks
from streams.errors import StoreDown
from streams.storage.table import Table
from tests.builders import plans_of
from tests.dynamodb_clients import Calls
from tests.viewer import Viewer

SECONDS_MS = 1000


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    playbacks.forget()
    heartbeat_rate.forget()
    yield
    playbacks.forget()


@pytest.fixture
def counted(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> Calls:
    monkeypatch.setattr(service, "store", replace(service.store, call=calls))
    return calls


class Clock:
    """The clock of the service, which a test moves."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += round(seconds * 1_000_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("streams.views.time.time_ns", clock)
    return clock


class Player:
    """A player that reports one playback by CMCD."""

    def __init__(self, viewer: Viewer, **fields: Any) -> None:
        self.viewer = viewer
        self.stream = viewer.started(deviceId="tv", cmcd=True, **fields)
        self.url = self.stream["cmcdUrl"]

    def post(
        self, body: str, media_type: str = "application/cmcd", **headers: str
    ) -> httpx.Response:
        types = {"Content-Type": media_type}
        return self.viewer.api.post(
            self.url, content=body.encode(), headers=types | headers
        )

    def report(self, *states: str, event: str = "ps", at: int = 0) -> int:
        """Post reports of these states and return the status."""
        lines = [f'cid="a,sta=e",e={event},sta={state},ts={at}' for state in states]
        return self.post("\n".join(lines)).status_code


def state_of(viewer: Viewer) -> str:
    """Return the state of the player's stream, or "over"."""
    streams = viewer.list()["streams"]
    return str(streams[0]["state"]) if streams else "over"


# --- the address --------------------------------------------------------------------


def test_only_a_start_that_asks_for_it_gets_an_address(viewer: Viewer) -> None:
    assert "cmcdUrl" not in viewer.started(deviceId="tv")
    assert "cmcdUrl" not in viewer.started(deviceId="tv", cmcd=False)
    assert "cmcdUrl" not in viewer.started(deviceId="tv", cmcd=None)
    assert viewer.started(deviceId="tv", cmcd=True)["cmcdUrl"].startswith("http")
    dry_run = viewer.api.post(
        f"{viewer.url}?dryRun=true", json={"streamId": "film", "cmcd": True}
    )
    assert dry_run.status_code == 200


@pytest.mark.parametrize("sent", ["often", "true", 1, [], {}], ids=repr)
def test_an_invalid_cmcd_names_the_field(viewer: Viewer, sent: Any) -> None:
    response = viewer.start(cmcd=sent)
    assert response.status_code == 400
    assert list(response.json()["errors"]) == ["cmcd"]


def test_an_altered_address_does_not_exist(viewer: Viewer) -> None:
    player = Player(viewer)
    base, _, handle = player.url.rpartition("/")
    token = player.stream["token"]
    for altered in (f"{handle}A", handle[1:], "x.y", ".", token):
        response = viewer.api.post(f"{base}/{altered}", content=b"sta=e")
        assert response.status_code == 404, altered
    assert state_of(viewer) == "playing"


def test_an_address_is_no_token_of_the_player(viewer: Viewer) -> None:
    handle = Player(viewer).url.rpartition("/")[2]
    assert viewer.heartbeat("tv", handle).status_code == 400
    assert viewer.stop("tv", handle).status_code == 400


def test_an_address_ends_after_a_day(viewer: Viewer, clock: Clock) -> None:
    player = Player(viewer)
    clock.pass_seconds(handles.VALID_MS / 1000 + 1)
    assert player.report("p") == 410


def test_ids_that_make_the_path_too_long_get_no_address(
    viewer: Viewer, settings: Any
) -> None:
    settings.MAX_PATH_CHARACTERS = 512
    assert "cmcdUrl" in viewer.started(deviceId="x" * 100, cmcd=True)
    long = Viewer(viewer.api, "u" * 255)
    assert "cmcdUrl" not in long.started(deviceId="x" * 128, cmcd=True)


# --- states -------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", ["application/cmcd", "text/cmcd", "text/plain"])
def test_playing_renews_and_an_end_stops(
    viewer: Viewer, clock: Clock, media_type: str
) -> None:
    player = Player(viewer)
    for _ in range(5):
        clock.pass_seconds(30)
        status = player.post("e=t,sta=p,ts=1,br=(3000 200)", media_type).status_code
        assert status == 204
    assert state_of(viewer) == "playing"

    assert player.post("e=ps,sta=e,ts=2", f"{media_type};charset=UTF-8").is_success
    assert state_of(viewer) == "over"
    assert player.report("p") == 410


def test_cmcd_alone_keeps_a_slot_for_five_minutes_and_frees_it(
    viewer: Viewer, clock: Clock
) -> None:
    player = Player(viewer)
    for second in range(0, 300, 30):
        clock.pass_seconds(30)
        assert player.report("p", event="t", at=second) == 204
        stream = service.store.read(viewer.user_id, now=clock.now // 1_000_000)
        assert stream.leases["tv"].is_live(clock.now // 1_000_000)
    assert player.report("e", at=301) == 204
    assert not service.store.read(viewer.user_id, now=clock.now // 1_000_000).leases


@pytest.mark.parametrize("state", ["e", "f", "q"])
def test_a_repeat_of_an_end_is_answered_as_the_first(
    viewer: Viewer, counted: Calls, state: str
) -> None:
    player = Player(viewer)
    counted.made.clear()
    assert [player.report(state) for _ in range(5)] == [204] * 5
    assert len(counted.made) == 1


def test_a_pause_and_its_end_take_effect_at_once(viewer: Viewer) -> None:
    player = Player(viewer)
    for sta, state in [("p", "playing"), ("a", "paused"), ("k", "paused")]:
        assert player.report(sta) == 204
        assert state_of(viewer) == state
    assert player.report("r") == 204
    assert state_of(viewer) == "playing"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n\n,,,=",
        "e=bc,sta=p,ts=1,br=(1000)",
        "e=m,sta=p,ts=1",
        'e=rr,sta=a,url="https://cdn/x,sta=e"',
        'sid="sta=e',
        "e=ps,sta=z",
        "\ud7ff" * 100,
    ],
    ids=repr,
)
def test_the_rest_costs_no_call(viewer: Viewer, counted: Calls, body: str) -> None:
    player = Player(viewer)
    counted.made.clear()
    assert player.post(body).status_code == 204
    assert counted.made == []


def test_bytes_that_are_not_utf8_are_read(viewer: Viewer) -> None:
    player = Player(viewer)
    body = b'cid="\xff\xfe",e=ps,sta=e,ts=1'
    headers = {"Content-Type": "application/cmcd"}
    response = viewer.api.post(player.url, content=body, headers=headers)
    assert response.status_code == 204
    assert state_of(viewer) == "over"


def test_a_body_above_the_limit_or_of_another_type_is_refused(viewer: Viewer) -> None:
    player = Player(viewer)
    assert player.post("e=t," * 5000).status_code == 413
    assert player.post("sta=e", "application/json").status_code == 415
    assert state_of(viewer) == "playing"


def test_the_last_state_of_a_batch_counts(viewer: Viewer, counted: Calls) -> None:
    player = Player(viewer)
    counted.made.clear()
    assert player.report("s", "p", "r", "p") == 204
    assert len(counted.made) == 1
    assert player.report("p", "a", "e") == 204
    assert state_of(viewer) == "over"


def test_an_old_report_that_a_player_repeats_changes_no_state(viewer: Viewer) -> None:
    player = Player(viewer)
    assert player.report("p", at=5000) == 204
    assert player.report("a", at=4000) == 204
    assert player.report("e", at=4500) == 204
    assert state_of(viewer) == "playing"


# --- what a report costs ------------------------------------------------------------


def test_repeats_within_an_interval_cost_one_call(
    viewer: Viewer, counted: Calls, clock: Clock
) -> None:
    player = Player(viewer)
    counted.made.clear()
    for second in range(120):
        clock.pass_seconds(1)
        assert player.report("p", event="t", at=second) == 204
    assert len(counted.made) == 6


def test_states_that_alternate_cost_few_calls(
    viewer: Viewer, counted: Calls, settings: Any
) -> None:
    settings.HEARTBEAT_BURST = 6
    player = Player(viewer)
    counted.made.clear()
    for n in range(60):
        assert player.report("pa"[n % 2], at=n) == 204
    assert len(counted.made) <= 12  # a pause is a read and a write


@pytest.mark.parametrize("lease_seconds", [60, 30])
def test_a_renewal_of_a_relaxed_lease_costs_one_call(
    viewer: Viewer, counted: Calls, settings: Any, clock: Clock, lease_seconds: int
) -> None:
    settings.PLANS = plans_of(
        lease_ms=lease_seconds * SECONDS_MS,
        relaxed_lease_ms=300 * SECONDS_MS,
    )
    player = Player(viewer)
    counted.made.clear()

    for second in range(0, 600, 30):
        clock.pass_seconds(30)
        assert player.report("p", event="t", at=second) == 204
    assert len(counted.made) <= 6
    lease = service.store.read(viewer.user_id, now=0).leases["tv"]
    assert lease.expires_at - clock.now // 1_000_000 > 190 * SECONDS_MS


# --- ends ---------------------------------------------------------------------------


def test_an_operators_end_is_answered_410_at_the_next_interval(
    viewer: Viewer, counted: Calls, clock: Clock
) -> None:
    player = Player(viewer)
    assert player.report("p") == 204
    viewer.end("tv").raise_for_status()
    clock.pass_seconds(21)

    counted.made.clear()
    for _ in range(5):
        response = player.post("e=t,sta=p")
        assert response.status_code == 410
        assert response.json()["type"] == "stream-ended"
        assert response.json()["reason"] == "stopped"
    assert len(counted.made) == 1


def test_an_address_of_an_earlier_playback_neither_renews_nor_stops(
    viewer: Viewer,
) -> None:
    earlier, later = Player(viewer), Player(viewer)
    assert earlier.report("p") == 410
    assert earlier.report("e") in (204, 410)
    assert later.report("p") == 204
    assert state_of(viewer) == "playing"


def test_a_stream_that_is_not_recorded_is_over(viewer: Viewer) -> None:
    player = Player(viewer)
    viewer.api.delete(f"/users/{viewer.user_id}").raise_for_status()
    assert player.report("p") == 410


def test_an_outage_ends_nothing(
    viewer: Viewer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Player(viewer)

    def fail(*arguments: Any) -> NoReturn:
        raise StoreDown("silent")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "send", fail)
        assert [player.report(state) for state in "pae"] == [503] * 3

    clock.pass_seconds(90)
    assert player.report("p") == 204
    assert state_of(viewer) == "playing"


def test_a_grace_lease_has_no_address(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WHEN_STORE_IS_DOWN = "open"

    def fail(*arguments: Any) -> NoReturn:
        raise StoreDown("silent")

    with monkeypatch.context() as patch:
        patch.setattr(Table, "send", fail)
        started = viewer.started(deviceId="tv", cmcd=True)
    assert started["isGrace"]
    assert "cmcdUrl" not in started


def test_a_post_from_another_origin_passes_its_preflight(viewer: Viewer) -> None:
    player = Player(viewer)
    origin = "http://localhost:3000"
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = viewer.api.options(player.url, headers=preflight)
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"]
    posted = player.post("e=ps,sta=p", Origin=origin)
    assert posted.headers["Access-Control-Allow-Origin"] == origin
