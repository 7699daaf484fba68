"""The item in DynamoDB's JSON, to and from the rule's words."""

from collections.abc import Mapping
from typing import Any

from streams.rules import Account, Ending, Lease, Reason, WhenFull

type Item = Mapping[str, Any]
"""DynamoDB's JSON: `{"N": "3"}`, `{"M": {…}}`."""


def number(value: int) -> Item:
    """A number."""
    return {"N": str(value)}


def lease_item(lease: Lease) -> Item:
    """A lease as it is stored: its id is its key, its epoch stands in `epochs`."""
    texts = {
        "stream_id": lease.stream_id,
        "device_id": lease.device_id,
        "device_name": lease.device_name,
        "device_type": lease.device_type,
        "title": lease.title,
    }
    instants = {"started_at": number(lease.started_at), "expires_at": number(lease.expires_at)}
    return {"M": {name: {"S": text} for name, text in texts.items() if text is not None} | instants}


def ending_item(ending: Ending) -> Item:
    """An ending as it is stored."""
    item = {"reason": {"S": ending.reason.value}, "at": number(ending.at)}
    return {"M": item if ending.by is None else item | {"by": {"S": ending.by}}}


def account_item(account: Account) -> dict[str, Item]:
    """What every write of a whole account writes."""
    return {
        "version": number(account.version),
        "leases": {"M": {id: lease_item(lease) for id, lease in account.leases.items()}},
        "epochs": {"M": {id: number(lease.epoch) for id, lease in account.leases.items()}},
        "ended": {"M": {id: ending_item(ending) for id, ending in account.ended.items()}},
    }


def lease(id: str, item: Item, *, epoch: int) -> Lease:
    """A stored lease."""
    return Lease(id=id, epoch=epoch, **plain(item))


def account(item: Item) -> Account:
    """Everything kept of a user."""
    row = {name: plain(value) for name, value in item.items() if name not in ("leases", "ended")}
    return Account(
        version=row["version"],
        leases={id: lease(id, stored, epoch=row["epochs"][id]) for id, stored in item["leases"]["M"].items()},
        ended={id: _ending(stored) for id, stored in item["ended"]["M"].items()},
        limit=row.get("limit"),
        when_full=WhenFull(row["when_full"]) if "when_full" in row else None,
    )


def _ending(item: Item) -> Ending:
    ending = plain(item)
    return Ending(reason=Reason(ending["reason"]), at=ending["at"], by=ending.get("by"))


def plain(value: Item) -> Any:
    """Text, whole numbers and maps of them, as Python has them."""
    ((type_, content),) = value.items()
    if type_ == "M":
        return {name: plain(inner) for name, inner in content.items()}
    return int(content) if type_ == "N" else content
