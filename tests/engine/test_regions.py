"""Two regions: a home that moves, and replicas of which the last writer wins."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from streams.errors import StreamEnded, StreamLimitReached, StreamNotFound, StreamsError
from streams.models import UserStreams
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, fill, held, started

pytestmark = pytest.mark.engine

LIMIT = 3
DEVICES = ("tv", "phone", "web")


def region(name: str, streams: StreamStore) -> StreamStore:
    """Return the store on a separate table."""

    def call(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return UserStreams.call(operation, {**arguments, "TableName": name})

    return StreamStore(
        plans=streams.plans,
        call=call,
        sleep=lambda seconds: None,
    )


@pytest.fixture
def names() -> Iterator[tuple[str, str]]:
    names = (
        f"Ireland-{uuid.uuid4()}",
        f"Virginia-{uuid.uuid4()}",
    )
    for name in names:
        UserStreams.call(
            "CreateTable",
            {
                "TableName": name,
                "KeySchema": [
                    {
                        "AttributeName": "user_id",
                        "KeyType": "HASH",
                    }
                ],
                "AttributeDefinitions": [
                    {
                        "AttributeName": "user_id",
                        "AttributeType": "S",
                    }
                ],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )

    yield names
    for name in names:
        UserStreams.call("DeleteTable", {"TableName": name})


def live(now: int, user_id: str, *regions: StreamStore) -> int:
    accounts = [region.read(user_id, now=now) for region in regions]
    return sum(len(account.live(now)) for account in accounts)


def test_a_home_that_moves_admits_at_most_twice_the_limit_and_for_one_lease(
    streams: StreamStore,
    names: tuple[str, str],
    user_id: str,
) -> None:
    ireland, virginia = (region(name, streams) for name in names)
    before = fill(ireland, user_id, *DEVICES)
    moved = NOW + 1000  # Ireland is down
    after = fill(
        virginia,
        user_id,
        *(f"other {device}" for device in DEVICES),
        now=moved,
    )

    with pytest.raises(StreamLimitReached):
        virginia.start(
            user_id,
            asking("one too many", now=moved + 10),
            now=moved + 10,
        )
    assert live(moved + 10, user_id, ireland, virginia) == 2 * LIMIT
    a_lease_later = NOW + LEASE_MS + len(DEVICES)
    for id, hold in after.items():
        virginia.renew(
            user_id,
            id,
            hold=hold,
            now=a_lease_later - 100,
        )

    assert live(a_lease_later, user_id, ireland, virginia) == LIMIT
    for id, hold in before.items():
        with pytest.raises(StreamNotFound):
            virginia.renew(user_id, id, hold=hold, now=a_lease_later)


def test_a_home_that_moves_back_grants_higher_epochs_and_rejects_older_tokens(
    streams: StreamStore,
    names: tuple[str, str],
    user_id: str,
) -> None:
    ireland, virginia = (region(name, streams) for name in names)
    before = fill(ireland, user_id, *DEVICES)
    meanwhile = fill(virginia, user_id, *DEVICES, now=NOW + 1000)
    back = NOW + 2 * LEASE_MS
    again = {}
    for id in DEVICES:
        lease = started(ireland, user_id, id, now=back)
        again[id] = held(lease)

    for id in DEVICES:
        assert again[id].epoch > meanwhile[id].epoch
        assert meanwhile[id].epoch > before[id].epoch
        with pytest.raises(StreamEnded):
            ireland.renew(user_id, id, hold=before[id], now=back + 1)
        with pytest.raises(StreamsError):
            ireland.renew(
                user_id,
                id,
                hold=meanwhile[id],
                now=back + 1,
            )

    assert live(back, user_id, ireland, virginia) == LIMIT


def test_last_writer_wins_replicas_admit_twice_the_limit_and_then_lose_half(
    streams: StreamStore,
    names: tuple[str, str],
    user_id: str,
) -> None:
    """Each region of a global table judges its own copy, and one copy is lost."""
    ireland, virginia = (region(name, streams) for name in names)
    admitted = 0
    holds = {}
    for number, where in enumerate((ireland, virginia) * (LIMIT + 1)):
        with suppress(StreamLimitReached):
            holds[f"device {number}"] = held(
                where.start(
                    user_id,
                    asking(
                        f"device {number}",
                        now=NOW + number,
                    ),
                    now=NOW + number,
                ).lease
            )
            admitted += 1

    assert admitted == 2 * LIMIT
    key = {"user_id": {"S": user_id}}
    last = UserStreams.call(
        "GetItem",
        {
            "TableName": names[1],
            "Key": key,
            "ConsistentRead": True,
        },
    )["Item"]
    UserStreams.call("PutItem", {"TableName": names[0], "Item": last})
    lost = 0
    for id, hold in holds.items():
        try:
            ireland.renew(user_id, id, hold=hold, now=NOW + 100)
        except StreamNotFound:
            lost += 1

    assert lost == LIMIT, (
        "players who were admitted, and are told that nobody knows them"
    )
