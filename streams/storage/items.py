"""A user's item in DynamoDB's JSON, to and from the rule's words.

Names inside the item are short, since each write pays for the whole item by the kilobyte: `LEASE` and `ENDING` say
which is which. An id stands in `leases` and `priors` as a key; a device's id that is the stream's own is not written
again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from streams.rules import FACTS, Account, Ending, Entitlement, Lease, Reason, WhenFull

type Item = Mapping[str, Any]
"""DynamoDB's JSON: `{"N": "3"}`, `{"M": {…}}`."""

LEASE = {
    "stream_id": "s",
    "started_at": "a",
    "expires_at": "e",
    "epoch": "n",
    "nonce": "k",
    "device_id": "i",
    "device_name": "m",
    "device_type": "y",
    "title": "t",
    "metadata": "x",
    "network": "w",
    "entitlement": "g",
    "entitled_plan": "p",
    "paused_at": "z",
    "revived_from": "f",
    "revived_to": "u",
}
"""A field of a lease, by its name in the item. `device_id` is `true` where it is the stream's id."""
ENDING = {"reason": "r", "at": "t", "epoch": "n", "by": "b"}
REASON = {
    Reason.STOPPED: "s",
    Reason.EVICTED: "v",
    Reason.REPLACED: "r",
    Reason.TAKEN_OVER: "t",
    Reason.EXPIRED: "x",
    Reason.OVER_LIMIT: "l",
    Reason.SUSPENDED: "v",
}
"""A suspension is kept as an eviction by nobody, since earlier releases know no other reason for it."""
LEASE_OF, ENDING_OF = (
    {short: name for name, short in names.items()} for names in (LEASE, ENDING)
)
REASON_OF = {
    short: reason for reason, short in REASON.items() if reason is not Reason.SUSPENDED
}


def number(value: float) -> Item:
    """A number."""
    return {"N": str(value)}


def lease_item(lease: Lease) -> Item:
    """A lease as it is stored, without what `priors` holds of it."""
    fields: dict[str, Any] = {
        LEASE["stream_id"]: {"S": lease.stream_id},
        LEASE["started_at"]: number(lease.started_at),
        LEASE["expires_at"]: number(lease.expires_at),
        LEASE["epoch"]: number(lease.epoch),
        LEASE["nonce"]: {"S": lease.nonce},
    }
    for name in ("device_name", "device_type", "title", "network"):
        if (text := getattr(lease, name)) is not None:
            fields[LEASE[name]] = {"S": text}
    if lease.device_id is not None:
        fields[LEASE["device_id"]] = (
            {"BOOL": True} if lease.device_id == lease.id else {"S": lease.device_id}
        )
    if lease.metadata:
        fields[LEASE["metadata"]] = {
            "M": {name: _value(value) for name, value in lease.metadata.items()}
        }
    if lease.entitlement.limit is not None:
        fields[LEASE["entitlement"]] = number(lease.entitlement.limit)
    if lease.entitlement.plan is not None:
        fields[LEASE["entitled_plan"]] = {"S": lease.entitlement.plan}
    if lease.paused_at:
        fields[LEASE["paused_at"]] = number(lease.paused_at)
    if lease.revived_from:
        fields[LEASE["revived_from"]] = number(lease.revived_from)
        fields[LEASE["revived_to"]] = number(lease.revived_to)
    return {"M": fields}


def ending_item(ending: Ending) -> Item:
    """An ending as it is stored."""
    fields = {
        ENDING["reason"]: {"S": REASON[ending.reason]},
        ENDING["at"]: number(ending.at),
        ENDING["epoch"]: number(ending.epoch),
    }
    return {
        "M": fields if ending.by is None else fields | {ENDING["by"]: {"S": ending.by}}
    }


def account_item(account: Account) -> dict[str, Item]:
    """What every write of a whole account writes, by the model's attributes."""
    leases = account.leases.items()
    return {
        "version": number(account.version),
        "mints": number(account.mints),
        "leases": {"M": {id: lease_item(lease) for id, lease in leases}},
        "priors": {"M": {id: number(lease.prior_expires_at) for id, lease in leases}},
        "ended": {
            "M": {id: ending_item(ending) for id, ending in account.ended.items()}
        },
    }


def override_item(account: Account) -> dict[str, Item]:
    """An operator's override, as far as there is one."""
    texts = {"plan": account.plan, "when_full": account.when_full}
    limit = {} if account.limit is None else {"limit": number(account.limit)}
    return limit | {name: {"S": str(text)} for name, text in texts.items() if text}


def place_of(attribute: str) -> tuple[str, ...]:
    """Where a stored lease has what a rule looks at."""
    of, _, name = attribute.partition(".")
    return (LEASE["metadata"], name) if name else (LEASE[FACTS[of]],)


def lease_of(item: Item, id: str) -> Lease | None:
    """The lease of one stream, without a look at the others."""
    stored = item["l"]["M"].get(id)
    return (
        lease(id, stored, prior_expires_at=plain(item["p"]["M"].get(id, number(0))))
        if stored
        else None
    )


def lease(id: str, item: Item, *, prior_expires_at: int) -> Lease:
    """A stored lease."""
    fields = {
        LEASE_OF[short]: plain(value)
        for short, value in item["M"].items()
        if short in LEASE_OF
    }
    if fields.get("device_id") is True:
        fields["device_id"] = id
    entitlement = Entitlement(
        fields.pop("entitlement", None), fields.pop("entitled_plan", None)
    )
    return Lease(
        id=id, prior_expires_at=prior_expires_at, entitlement=entitlement, **fields
    )


def account(item: Item) -> Account:
    """Everything kept of a user."""
    priors = plain(item["p"])
    return Account(
        version=plain(item["version"]),
        leases={
            id: lease(id, stored, prior_expires_at=priors.get(id, 0))
            for id, stored in item["l"]["M"].items()
        },
        ended={id: _ending(stored) for id, stored in item["d"]["M"].items()},
        mints=plain(item.get("m", number(0))),
        **_override(item),
    )


def is_first_format(item: Item) -> bool:
    """Whether version 1.0 wrote this item. The next judged write writes it anew."""
    return "leases" in item


def account_of_first_format(item: Item) -> Account:
    """Everything kept of a user by version 1.0, which had the same fields under their long names, and their epochs
    apart."""
    epochs = plain(item["epochs"])
    return Account(
        version=plain(item["version"]),
        leases={
            id: Lease(id=id, epoch=epochs[id], **plain(stored))
            for id, stored in item["leases"]["M"].items()
        },
        ended={
            id: Ending(**plain(stored) | {"reason": Reason(plain(stored)["reason"])})
            for id, stored in item["ended"]["M"].items()
        },
        **_override(item),
    )


def _override(item: Item) -> dict[str, Any]:
    read: Mapping[str, Callable[[Any], Any]] = {
        "limit": int,
        "plan": str,
        "when_full": WhenFull,
    }
    return {
        name: convert(plain(item[name]))
        for name, convert in read.items()
        if name in item
    }


def _ending(item: Item) -> Ending:
    fields = {
        ENDING_OF[short]: plain(value)
        for short, value in item["M"].items()
        if short in ENDING_OF
    }
    reason = REASON_OF.get(fields["reason"], Reason.STOPPED)
    is_suspension = reason is Reason.EVICTED and "by" not in fields
    return Ending(**fields | {"reason": Reason.SUSPENDED if is_suspension else reason})


def _value(value: str | float) -> Item:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else number(value)


def plain(value: Item) -> Any:
    """Text, numbers, truth values and maps of them, as Python has them."""
    ((type_, content),) = value.items()
    if type_ == "M":
        return {name: plain(inner) for name, inner in content.items()}
    if type_ == "N":
        return int(content) if content.lstrip("-").isdigit() else float(content)
    return content
