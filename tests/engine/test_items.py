"""A user's item: its size, and the items of earlier versions."""

from collections.abc import Callable
from typing import Any

import pytest

from streams.errors import StreamLimitReached
from streams.models import UserStreams
from streams.rules import Hold, Reason, WhenFull
from streams.storage import items
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, fill
from tests.viewer import Viewer

pytestmark = pytest.mark.engine


def put(item: dict[str, Any]) -> None:
    UserStreams.call(
        "PutItem",
        {
            "TableName": UserStreams.Meta.table_name,
            "Item": item,
        },
    )


def stored(user_id: str) -> dict[str, Any]:
    asked = {
        "TableName": UserStreams.Meta.table_name,
        "Key": {"user_id": {"S": user_id}},
        "ConsistentRead": True,
    }
    found: dict[str, Any] = UserStreams.call("GetItem", asked)["Item"]
    return found


def of_version_1(user_id: str, **more: Any) -> dict[str, Any]:
    """Return the item of version 1.0: two live streams, a ghost and two endings."""

    def lease(stream_id: str, started_at: int, **texts: str) -> dict[str, Any]:
        fields = {"stream_id": stream_id} | texts
        instants = {
            "started_at": started_at,
            "expires_at": started_at + LEASE_MS,
        }
        content: dict[str, Any] = {}
        for name, text in fields.items():
            content[name] = {"S": text}
        for name, instant in instants.items():
            content[name] = {"N": str(instant)}
        return {"M": content}

    leases = {
        "tv": lease(
            "film",
            NOW - 5,
            device_id="tv",
            device_name="Living room",
            device_type="tv",
            title="A film",
        ),
        "phone": lease("news", NOW - 3),
        "ghost": lease("film", NOW - 2 * LEASE_MS),
    }
    epochs = {
        id: {"N": str(epoch)} for epoch, id in enumerate(leases, start=NOW - 1010)
    }
    return {
        "user_id": {"S": user_id},
        "version": {"N": str(NOW - 1000)},
        "leases": {"M": leases},
        "epochs": {"M": epochs},
        "ended": {
            "M": {
                "old": {
                    "M": {
                        "reason": {"S": "evicted"},
                        "at": {"N": str(NOW - 9)},
                        "by": {"S": "tv"},
                    }
                },
                "older": {
                    "M": {
                        "reason": {"S": "stopped"},
                        "at": {"N": str(NOW - 99)},
                    }
                },
            }
        },
        "ttl": {"N": str(NOW // 1000 + 90_000)},
        **more,
    }


def test_an_item_of_version_1_is_read(streams: StreamStore, user_id: str) -> None:
    put(
        of_version_1(
            user_id,
            limit={"N": "5"},
            when_full={"S": "evict-oldest"},
            keep_until={"N": "4102444800"},
        )
    )
    account = streams.read(user_id, now=NOW)

    assert [lease.id for lease in account.live(NOW)] == [
        "tv",
        "phone",
    ]
    assert account.leases["tv"].device_name == "Living room"
    assert (
        account.ended["old"].reason,
        account.ended["old"].by,
    ) == (
        Reason.EVICTED,
        "tv",
    )
    assert (account.limit, account.when_full) == (
        5,
        WhenFull.EVICT_OLDEST,
    )


@pytest.mark.parametrize(
    "verb",
    [
        "start",
        "renew",
        "stop",
        "end",
        "end all",
        "set limit",
        "clear limit",
    ],
)
def test_each_verb_continues_from_an_item_of_version_1(
    streams: StreamStore, user_id: str, verb: str
) -> None:
    put(
        of_version_1(
            user_id,
            limit={"N": "5"},
            when_full={"S": "deny"},
        )
    )
    hold = Hold(epoch=NOW - 1010, expires_at=NOW - 5 + LEASE_MS)
    verbs: dict[str, Callable[[], Any]] = {
        "start": lambda: streams.start(user_id, asking("new"), now=NOW),
        "renew": lambda: streams.renew(user_id, "tv", hold=hold, now=NOW),
        "stop": lambda: streams.stop(user_id, "tv", hold=hold, now=NOW),
        "end": lambda: streams.stop(user_id, "tv", hold=None, now=NOW),
        "end all": lambda: streams.end_all(user_id, keep=None, now=NOW),
        "set limit": lambda: streams.set_limit(
            user_id,
            limit=1,
            when_full=WhenFull.DENY,
            now=NOW,
        ),
        "clear limit": lambda: streams.clear_limit(user_id, now=NOW),
    }
    verbs[verb]()
    after = streams.read(user_id, now=NOW)
    live = {lease.id for lease in after.live(NOW)}

    assert live == {
        "start": {"tv", "phone", "new"},
        "stop": {"phone"},
        "end": {"phone"},
        "end all": set(),
    }.get(verb, {"tv", "phone"})
    assert after.limit == {
        "set limit": 1,
        "clear limit": None,
    }.get(verb, 5)
    if verb != "clear limit":
        assert not stored(user_id).keys() & {
            "leases",
            "epochs",
            "ended",
        }


def test_a_full_item_of_version_1_admits_no_stream(
    streams: StreamStore, user_id: str
) -> None:
    put(
        of_version_1(
            user_id,
            limit={"N": "2"},
            when_full={"S": "deny"},
        )
    )
    streams.set_limit(user_id, limit=2, when_full=WhenFull.DENY, now=NOW)

    with pytest.raises(StreamLimitReached):
        streams.start(user_id, asking("new"), now=NOW)


def dynamodb_bytes(value: Any) -> int:
    """Return the size of an attribute's value, as DynamoDB counts it.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    ((type_, content),) = value.items()
    if type_ == "M":
        return 3 + sum(
            1 + len(name.encode()) + dynamodb_bytes(inner)
            for name, inner in content.items()
        )
    if type_ == "N":
        digits = len(content.strip("-0").replace(".", ""))
        return int((digits + 1) // 2 + 1 + content.startswith("-"))
    return len(content.encode()) if type_ == "S" else 1


def size_of(user_id: str) -> int:
    item = stored(user_id)
    return sum(len(name) + dynamodb_bytes(item[name]) for name in item)


def test_three_streams_of_ordinary_text_stay_under_one_write_unit(
    viewer: Viewer,
) -> None:
    for number in range(12):
        device_id = f"0b2c8e5e-71f4-4a1c-9d55-{number:012}"
        stream = viewer.started(deviceId=device_id)
        viewer.end(stream["id"])

    for number in range(3):
        viewer.started(
            "movies/the-great-escape-1963",
            deviceId=f"f81d4fae-7dec-11d0-a765-00a0c91e{number:04}",
            deviceName="Ana's living room TV",
            deviceType="tv",
            title="The Great Escape",
        )

    assert size_of(viewer.user_id) <= 1024 - 20, "the user's id may be longer"


@pytest.mark.parametrize(
    "character",
    ["x", "é", "字", "😀", "\u0000"],
    ids=["ASCII", "2 bytes", "3", "4", "control"],
)
def test_three_streams_of_full_size_text_stay_under_four_kilobytes(
    viewer: Viewer, character: str
) -> None:
    long_id = "i" * 126
    for number in range(12):
        stream = viewer.started(deviceId=f"{long_id}{number:02}")
        viewer.end(stream["id"])

    stream_id_character = "s" if character == "\u0000" else character
    stream_id_length = 256 // len(character.encode())
    metadata = {f"key-{number}": character * 40 for number in range(10)}
    for number in range(3):
        body = {
            "streamId": stream_id_character * stream_id_length,
            "deviceId": "d" * 128,
            "deviceName": character * 300,
            "deviceType": character * 300,
            "title": character * 300,
            "metadata": metadata,
        }
        url = f"{viewer.url}/{long_id}a{number}"
        response = viewer.api.put(url, json=body)
        assert response.status_code == 201, response.text

    assert size_of(viewer.user_id) <= 4096


def test_every_field_of_a_lease_and_of_an_ending_is_kept(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "a", "b")
    streams.stop(user_id, "a", hold=None, now=NOW + 5)
    account = streams.read(user_id, now=NOW + 9)
    item = {
        "user_id": {"S": user_id},
        **items.account_item(account),
    }
    renamed = {
        "leases": "l",
        "priors": "p",
        "ended": "d",
        "limit_set_at": "c",
        "theoretical_arrival_at": "m",
    }

    by_attribute = {renamed.get(name, name): item[name] for name in item}
    assert items.account(by_attribute) == account


def test_fields_of_a_later_version_are_ignored(
    streams: StreamStore, user_id: str
) -> None:
    fill(streams, user_id, "a")
    item = stored(user_id)
    lease = item["l"]["M"]["a"]
    lease["M"]["zz"] = {"S": "new"}
    item["zz"] = {"N": "1"}
    put(item)

    assert streams.read(user_id, now=NOW).leases["a"].id == "a"
