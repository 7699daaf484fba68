"""The size of a user's item, computed from items that the service writes.

DynamoDB counts the bytes of names and values: text as UTF-8, a number as half of its
digits and one byte, a map as three bytes and one per member. Source:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from collections.abc import Mapping
from typing import Any

from capacity.demand import ItemSizes
from streams import rules
from streams.models import UserStreams
from streams.rules import (
    EPOCHS_PER_MS,
    Account,
    Ending,
    Hold,
    Lease,
    Plan,
    Plans,
    Reason,
    StartRequest,
)
from streams.storage.items import account_item, number

NOW = 1_800_000_000_000
USER_ID = "5f0c6d1e-8a36-4f4b-9c1e-2f6a7b8c9d0e"
ID = "android-7c1e2f6a7b8c"
"""The id of a device and of its stream."""
STOPS = 200
MAP_BYTES = 3
MEMBER_BYTES = 1


def typical_item_sizes() -> ItemSizes:
    """Return the sizes of items with ordinary text and as many endings as are kept."""
    return ItemSizes(
        bytes_of=lambda streams: item_bytes(typical_item(streams)),
        forgetting_share=forgetting_share(),
    )


def forgetting_share() -> float:
    """Return the share of stops that drop old endings to make room for their own.

    Such a stop is read and judged before it is written. The rule itself decides, and
    it drops several endings at once.
    """
    plans = Plans(default=Plan(limit=3, lease_ms=60_000))
    account = rules.empty_account(NOW)
    forgetting = 0
    for now in range(NOW, NOW + STOPS):
        id = f"{ID}{now % 1000}"
        epoch = now * EPOCHS_PER_MS
        request = StartRequest(id=id, stream_id="episode", epoch=epoch, nonce="x")
        account, _ = rules.start(account, request, now=now, plans=plans)

        ending = Ending(reason=Reason.STOPPED, at=now, epoch=epoch)
        if len(account.ended) >= rules.room_for_endings((id, ending)):
            forgetting += 1
        hold = Hold(epoch=epoch)
        account = rules.stop(
            account,
            id,
            hold=hold,
            now=now,
            plans=plans,
        )

    return forgetting / STOPS


def typical_item(streams: int) -> dict[str, Any]:
    """Return the item of a user with a number of streams, in DynamoDB's JSON."""
    leases = [_typical_lease(place) for place in range(streams)]
    ending = Ending(reason=Reason.STOPPED, at=NOW, epoch=NOW * EPOCHS_PER_MS)
    kept = rules.room_for_endings((f"{ID}0", ending))
    account = Account(
        version=NOW,
        leases={lease.id: lease for lease in leases},
        ended={f"{ID}-{place}": ending for place in range(kept)},
    )

    attributes = UserStreams.get_attributes()
    item: dict[str, Any] = {"user_id": {"S": USER_ID}, "ttl": number(NOW // 1000)}
    for name, value in account_item(account).items():
        stored_name = attributes[name].attr_name
        item[str(stored_name)] = dict(value)

    return item


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return the size of an item, which sets the units of its reads and writes."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _typical_lease(place: int) -> Lease:
    return Lease(
        id=f"{ID}{place}",
        stream_id="episode-104233",
        started_at=NOW - place,
        expires_at=NOW + 60_000 - place,
        epoch=NOW * EPOCHS_PER_MS + place,
        nonce="x3Fk9w",
        device_id=f"{ID}{place}",
        device_name="Living room TV",
        device_type="tv",
        title="The Great Escape",
    )


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())

    if kind == "N":
        digits = len(content.lstrip("-").replace(".", "").strip("0"))
        return (digits + 1) // 2 + 1

    if kind == "M":
        members = content.items()
        return MAP_BYTES + sum(
            MEMBER_BYTES + len(name.encode()) + _value_bytes(inner)
            for name, inner in members
        )

    return 1
