"""How large a user's item is, of the items that the service writes.

DynamoDB counts the bytes of names and values: text as UTF-8, a number as half its digits and a byte, a map as three
bytes and one for each member.
Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from collections.abc import Mapping
from typing import Any

from capacity.demand import ItemSizes
from streams import rules
from streams.models import UserStreams
from streams.rules import (
    EPOCHS_A_MS,
    Account,
    Ending,
    Hold,
    Lease,
    Policy,
    Reason,
    StartRequest,
)
from streams.storage.items import account_item, number

NOW = 1_800_000_000_000
USER_ID = "5f0c6d1e-8a36-4f4b-9c1e-2f6a7b8c9d0e"
ID = "android-7c1e2f6a7b8c"
"""Of a device, and of its stream."""


def typical_item_sizes() -> ItemSizes:
    """Of users with ordinary text, and as many endings as are kept."""
    return ItemSizes(
        bytes_of=lambda streams: item_bytes(typical_item(streams)),
        forgetting_share=forgetting_share(),
    )


def forgetting_share() -> float:
    """Of the stops: those that find no room for another ending, and are judged and written with the oldest ones
    dropped. By the rule itself, which drops several at once."""
    policy = Policy(limit=3, lease_ms=60_000)
    account, stops, forgetting = rules.empty_account(NOW), 200, 0
    for now in range(NOW, NOW + stops):
        id = f"{ID}{now % 1000}"
        request = StartRequest(
            id=id, stream_id="episode", epoch=now * EPOCHS_A_MS, nonce="x"
        )
        account, _ = rules.start(account, request, now=now, policy=policy)
        room = rules.room_for_endings(
            (id, Ending(reason=Reason.STOPPED, at=now, epoch=request.epoch))
        )
        forgetting += len(account.ended) >= room
        account = rules.stop(
            account, id, hold=Hold(epoch=request.epoch), now=now, policy=policy
        )
    return forgetting / stops


def typical_item(streams: int) -> dict[str, Any]:
    """In DynamoDB's JSON."""
    leases = [
        Lease(
            id=f"{ID}{at}",
            stream_id="episode-104233",
            started_at=NOW - at,
            expires_at=NOW + 60_000 - at,
            epoch=NOW * EPOCHS_A_MS + at,
            nonce="x3Fk9w",
            device_id=f"{ID}{at}",
            device_name="Living room TV",
            device_type="tv",
            title="The Great Escape",
        )
        for at in range(streams)
    ]
    ending = Ending(reason=Reason.STOPPED, at=NOW, epoch=NOW * EPOCHS_A_MS)
    kept = rules.room_for_endings((f"{ID}0", ending))
    account = Account(
        version=NOW,
        leases={lease.id: lease for lease in leases},
        ended={f"{ID}-{at}": ending for at in range(kept)},
    )
    attributes = UserStreams.get_attributes()
    item = {
        str(attributes[name].attr_name): dict(value)
        for name, value in account_item(account).items()
    }
    return item | {"user_id": {"S": USER_ID}, "ttl": number(NOW // 1000)}


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item, by which its reads and writes are paid for."""
    return sum(len(name.encode()) + _bytes(value) for name, value in item.items())


def _bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        digits = len(content.lstrip("-").replace(".", "").strip("0"))
        return (digits + 1) // 2 + 1
    if kind == "M":
        return 3 + sum(
            1 + len(name.encode()) + _bytes(inner) for name, inner in content.items()
        )
    return 1
