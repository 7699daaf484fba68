"""An item that this service cannot read gets a problem that says so, never a 500."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from streams import service
from tests.http.stored_items import (
    CALLS_ON_ONE_STREAM,
    CALLS_ON_THE_WHOLE_ITEM,
    Item,
    read_item,
    write_item,
)
from tests.viewer import Viewer

type Corruption = Callable[[Item], Any]


def set_value(*path: str, to: Any) -> Corruption:
    """Return a corruption that sets one value of an item."""

    def corrupt(item: Item) -> None:
        place = item
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to

    return corrupt


def remove(*path: str) -> Corruption:
    """Return a corruption that removes one value of an item."""

    def corrupt(item: Item) -> None:
        place = item
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]

    return corrupt


def keep_only_the_key(item: Item) -> None:
    """Replace every attribute of the service by an unknown one."""
    user_id = item["user_id"]
    item.clear()
    item |= {"user_id": user_id, "colour": {"S": "red"}}


LEASE = ("l", "M", "tv", "M")

CORRUPTIONS: Mapping[str, Corruption] = {
    "leases as a list": set_value("l", to={"L": []}),
    "leases as text": set_value("l", to={"S": "none"}),
    "leases missing": remove("l"),
    "a lease as text": set_value("l", "M", "tv", to={"S": "live"}),
    "a lease as null": set_value("l", "M", "tv", to={"NULL": True}),
    "an empty lease": set_value("l", "M", "tv", to={"M": {}}),
    "a lease without expiry": remove(*LEASE, "e"),
    "an expiry as text": set_value(*LEASE, "e", to={"S": "soon"}),
    "an expiry as null": set_value(*LEASE, "e", to={"NULL": True}),
    "an expiry as a list": set_value(*LEASE, "e", to={"L": [{"N": "1"}]}),
    "an epoch as text": set_value(*LEASE, "n", to={"S": "first"}),
    "a start time as text": set_value(*LEASE, "a", to={"S": "today"}),
    "a content id as a number": set_value(*LEASE, "s", to={"N": "7"}),
    "a title as a map": set_value(*LEASE, "t", to={"M": {}}),
    "metadata as text": set_value(*LEASE, "x", to={"S": "genre"}),
    "priors as a list": set_value("p", to={"L": []}),
    "priors missing": remove("p"),
    "a prior as text": set_value("p", "M", "tv", to={"S": "0"}),
    "endings as a list": set_value("d", to={"L": []}),
    "endings as text": set_value("d", to={"S": "none"}),
    "endings missing": remove("d"),
    "an ending as text": set_value("d", "M", "old", to={"S": "stopped"}),
    "an ending without time": set_value(
        "d", "M", "old", to={"M": {"r": {"S": "s"}, "n": {"N": "1"}}}
    ),
    "an ending with text as time": set_value(
        "d",
        "M",
        "old",
        to={"M": {"r": {"S": "s"}, "n": {"N": "1"}, "t": {"S": "now"}}},
    ),
    "a version as text": set_value("version", to={"S": "first"}),
    "a version missing": remove("version"),
    "a negative limit": set_value("limit", to={"N": "-1"}),
    "a limit as text": set_value("limit", to={"S": "three"}),
    "a limit as null": set_value("limit", to={"NULL": True}),
    "a limit with a fraction": set_value("limit", to={"N": "2.5"}),
    "a plan as a number": set_value("plan", to={"N": "7"}),
    "a plan as a map": set_value("plan", to={"M": {}}),
    "the reaction to a full account as a number": set_value("when_full", to={"N": "1"}),
    "a theoretical arrival time as text": set_value("m", to={"S": "now"}),
    "the id of a write as a list": set_value("w1", to={"L": []}),
    "only unknown attributes": keep_only_the_key,
}


@pytest.fixture
def client(server_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server_url, timeout=30) as client:
        yield client


@pytest.fixture
def viewer(client: httpx.Client, user_id: str) -> Viewer:
    return Viewer(client, user_id)


def start_and_corrupt(viewer: Viewer, corrupt: Corruption) -> dict[str, Any]:
    """Start a stream, corrupt the item, and return the answer to the start."""
    tv = viewer.started(deviceId="tv", title="Film", metadata={"genre": "news"})
    item = read_item(viewer.user_id)
    corrupt(item)
    write_item(item)
    return tv


def outcome_of(answer: httpx.Response) -> str:
    """Return the type of a problem, or "success"."""
    if answer.is_success:
        return "success"
    problem_type: str = answer.json()["type"]
    return problem_type


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_every_call_on_an_unreadable_item_reports_it(
    viewer: Viewer, corrupt: Corruption
) -> None:
    tv = start_and_corrupt(viewer, corrupt)

    outcomes = {
        name: outcome_of(call(viewer, tv))
        for name, call in CALLS_ON_THE_WHOLE_ITEM.items()
    }

    assert outcomes == dict.fromkeys(CALLS_ON_THE_WHOLE_ITEM, "item-unreadable")


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_a_call_on_one_stream_succeeds_or_reports_the_unreadable_item(
    viewer: Viewer, corrupt: Corruption
) -> None:
    tv = start_and_corrupt(viewer, corrupt)

    outcomes = {outcome_of(call(viewer, tv)) for call in CALLS_ON_ONE_STREAM.values()}
    assert outcomes <= {"success", "item-unreadable"}


def test_an_unreadable_item_is_not_worth_a_retry(viewer: Viewer) -> None:
    start_and_corrupt(viewer, keep_only_the_key)
    answer = viewer.start()

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Retry-After" not in answer.headers


def test_an_unreadable_item_is_counted_by_an_event(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[str] = []

    def record(*kinds: str, now: int, **attributes: Any) -> None:
        recorded.extend(kinds)

    start_and_corrupt(viewer, keep_only_the_key)
    monkeypatch.setattr("streams.events.record", record)
    viewer.start()

    assert recorded == ["item-unreadable"]


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_an_operator_can_repair_an_unreadable_item(
    viewer: Viewer, corrupt: Corruption
) -> None:
    start_and_corrupt(viewer, corrupt)
    service.store.repair(viewer.user_id, now=time.time_ns() // 1_000_000)

    assert viewer.start().status_code == 201
    assert "colour" not in read_item(viewer.user_id)


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_an_unreadable_user_can_be_erased_over_http(
    viewer: Viewer, corrupt: Corruption
) -> None:
    tv = start_and_corrupt(viewer, corrupt)

    erased = viewer.api.delete(f"/users/{viewer.user_id}")

    assert erased.status_code == 204
    assert viewer.heartbeat("tv", tv["token"]).status_code == 404
    assert viewer.start().status_code == 201
