"""Items of users whose plans examine attributes: their size and their form."""

from collections.abc import Mapping
from typing import Any

import pytest

from streams.storage import items
from streams.storage.store import StreamStore
from tests.builders import NOW, asking, plans_of
from tests.dynamodb_clients import Calls

pytestmark = pytest.mark.engine


@pytest.fixture
def store(calls: Calls) -> StreamStore:
    return StreamStore(plans=plans_of(limit=5), call=calls)


def size_of(value: Any) -> int:
    """Return an item's size, slightly more than DynamoDB counts."""
    if isinstance(value, Mapping):
        return sum(len(str(key)) + 1 + size_of(inner) for key, inner in value.items())
    return len(str(value).encode())


def test_five_streams_with_full_metadata_stay_under_four_kilobytes(
    store: StreamStore, user_id: str
) -> None:
    metadata = {f"key{number}": "x" * 28 for number in range(8)}
    for number in range(5):
        device = f"3f2a9c01-d4e5-b677-8c1d-0e6b5a4f391{number}"
        start = asking(
            device,
            device_id=device,
            stream_id="tt0057115",
            title="The Great Escape",
            device_name="Living room TV",
            device_type="tv",
            network="1b205bf983cb",
            metadata=metadata,
        )
        store.start(user_id, start, now=NOW)

    item = store.table.send(
        "GetItem",
        store.table.key(user_id) | {"ConsistentRead": True},
    )["Item"]

    assert size_of(item) < 4096


def test_a_lease_without_attributes_of_plans_is_stored_in_the_earlier_form(
    store: StreamStore, user_id: str
) -> None:
    lease = store.start(user_id, asking("a", device_type="tv"), now=NOW).lease

    assert items.lease_item(lease)["M"].keys() == {
        "s",
        "a",
        "e",
        "n",
        "k",
        "y",
    }
    item = store.table.send(
        "GetItem",
        store.table.key(user_id) | {"ConsistentRead": True},
    )["Item"]
    writes = {"w1", "w2", "w3", "c"}
    assert item.keys() - writes == {
        "user_id",
        "l",
        "p",
        "d",
        "version",
        "ttl",
        "m",
    } - ({"m"} - item.keys())
