"""Items: the account of a user in DynamoDB's JSON.

Names inside an item are short, because each write pays for the whole item by the
kilobyte. `LEASE` and `ENDING` translate them. Ids are keys of the maps `leases`
and `priors`. A `deviceId` that equals the stream's id is stored as `true`.

Another release may have stored more: leases and endings keep the fields that this
release does not know, so that each write stores them again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from streams.rules import (
    ATTRIBUTES,
    Account,
    Ending,
    Entitlement,
    Lease,
    Reason,
)

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
"""Stored names of a lease's fields."""
TEXT_FIELDS = ("device_name", "device_type", "title", "network")
"""Fields of a lease that are stored as text when they have a value."""
LATER_INSTANTS = ("paused_at", "revived_from", "revived_to")
"""Fields of a lease that are stored as numbers unless they are 0."""

ENDING = {"reason": "r", "at": "t", "epoch": "n", "by": "b"}
"""Stored names of an ending's fields."""

REASON = {
    Reason.STOPPED: "s",
    Reason.EVICTED: "v",
    Reason.REPLACED: "r",
    Reason.TAKEN_OVER: "t",
    Reason.EXPIRED: "x",
    Reason.OVER_LIMIT: "l",
    Reason.SUSPENDED: "v",
}
"""Stored names of reasons.

A suspension is stored as an eviction without `by`, because earlier releases know
no reason for it.
"""

RECENT_WRITES = ("w1", "w2", "w3")
"""Stored names of the attributes with the ids of the last writes."""
METADATA_KINDS = {"S", "N", "BOOL"}
"""Kinds of values in DynamoDB's JSON that metadata can have."""

STORED_REASON: dict[str, Reason] = {
    stored: reason
    for reason, stored in REASON.items()
    if reason is not Reason.SUSPENDED
}


# --- to an item -----------------------------------------------------------------


def number(value: float) -> Item:
    """Return a number in DynamoDB's JSON."""
    return {"N": str(value)}


def text(value: str) -> Item:
    """Return a text in DynamoDB's JSON."""
    return {"S": value}


def lease_item(lease: Lease) -> Item:
    """Return a lease as it is stored, without its entry in `priors`."""
    fields: dict[str, Any] = {
        **lease.unknown,
        LEASE["stream_id"]: text(lease.stream_id),
        LEASE["started_at"]: number(lease.started_at),
        LEASE["expires_at"]: number(lease.expires_at),
        LEASE["epoch"]: number(lease.epoch),
        LEASE["nonce"]: text(lease.nonce),
    }
    fields |= _text_items(lease)
    fields |= _instant_items(lease)

    if lease.device_id is not None:
        is_same = lease.device_id == lease.id
        fields[LEASE["device_id"]] = (
            {"BOOL": True} if is_same else text(lease.device_id)
        )
    if lease.metadata:
        metadata = {key: _json(value) for key, value in lease.metadata.items()}
        unknown = lease.unknown.get(LEASE["metadata"], {"M": {}})
        fields[LEASE["metadata"]] = {"M": {**unknown["M"], **metadata}}
    return {"M": fields | _entitlement_item(lease.entitlement)}


def _text_items(lease: Lease) -> dict[str, Item]:
    values = {name: getattr(lease, name) for name in TEXT_FIELDS}
    return {
        LEASE[name]: text(value) for name, value in values.items() if value is not None
    }


def _instant_items(lease: Lease) -> dict[str, Item]:
    """Return the instants that are stored once they happened; 0 is not stored."""
    instants = {name: getattr(lease, name) for name in LATER_INSTANTS}
    return {
        LEASE[name]: number(instant) for name, instant in instants.items() if instant
    }


def _entitlement_item(entitlement: Entitlement) -> dict[str, Item]:
    fields = {}
    if entitlement.limit is not None:
        fields[LEASE["entitlement"]] = number(entitlement.limit)
    if entitlement.plan is not None:
        fields[LEASE["entitled_plan"]] = text(entitlement.plan)
    return fields


def ending_item(ending: Ending) -> Item:
    """Return an ending as it is stored."""
    fields = {
        ENDING["reason"]: text(REASON[ending.reason]),
        ENDING["at"]: number(ending.at),
        ENDING["epoch"]: number(ending.epoch),
    }
    if ending.by is not None:
        fields[ENDING["by"]] = text(ending.by)
    return {"M": {**fields, **ending.unknown}}


def account_item(account: Account) -> dict[str, Item]:
    """Return the values that every write of a whole account sets.

    The keys are those of the model's attributes.
    """
    leases = account.leases.items()
    endings = account.ended.items()
    return {
        "version": number(account.version),
        "theoretical_arrival_at": number(account.theoretical_arrival_at),
        "limit_set_at": number(account.limit_set_at),
        "leases": {"M": {id: lease_item(lease) for id, lease in leases}},
        "priors": {"M": {id: number(lease.prior_expires_at) for id, lease in leases}},
        "ended": {"M": {id: ending_item(ending) for id, ending in endings}},
    }


def override_item(account: Account) -> dict[str, Item]:
    """Return an operator's overrides, by the model's attributes."""
    override = {}
    if account.limit is not None:
        override["limit"] = number(account.limit)
    if account.plan:
        override["plan"] = text(account.plan)
    if account.when_full:
        override["when_full"] = text(account.when_full)
    return override


def path_of(attribute: str) -> tuple[str, ...]:
    """Return where a stored lease has the value of a rule's attribute."""
    prefix, _, key = attribute.partition(".")
    if key:
        return (LEASE["metadata"], key)
    return (LEASE[ATTRIBUTES[prefix]],)


# --- from an item ---------------------------------------------------------------


type Kinds = Mapping[str, Callable[[Any], Any]]
"""DynamoDB's types that a field may have, each with the conversion of its content.

A conversion raises `ValueError` for content that this service does not write.
"""
type Fields = Mapping[str, tuple[str, Kinds]]
"""Stored names, each with the name and the types of its field."""


def _limit(content: str) -> int:
    limit = int(content)
    if limit < 0:
        raise ValueError(f"limit is {limit}")
    return limit


def _true(content: bool) -> bool:
    if content is not True:
        raise ValueError("only true is stored")
    return content


TEXT: Kinds = {"S": str}
NUMBER: Kinds = {"N": int}

LEASE_FIELDS: Fields = {
    LEASE["stream_id"]: ("stream_id", TEXT),
    LEASE["started_at"]: ("started_at", NUMBER),
    LEASE["expires_at"]: ("expires_at", NUMBER),
    LEASE["epoch"]: ("epoch", NUMBER),
    LEASE["nonce"]: ("nonce", TEXT),
    LEASE["device_id"]: ("device_id", {**TEXT, "BOOL": _true}),
    LEASE["device_name"]: ("device_name", TEXT),
    LEASE["device_type"]: ("device_type", TEXT),
    LEASE["title"]: ("title", TEXT),
    LEASE["metadata"]: ("metadata", {"M": dict}),
    LEASE["network"]: ("network", TEXT),
    LEASE["entitlement"]: ("entitlement", NUMBER),
    LEASE["entitled_plan"]: ("entitled_plan", TEXT),
    LEASE["paused_at"]: ("paused_at", NUMBER),
    LEASE["revived_from"]: ("revived_from", NUMBER),
    LEASE["revived_to"]: ("revived_to", NUMBER),
}
ENDING_FIELDS: Fields = {
    ENDING["reason"]: ("reason", TEXT),
    ENDING["at"]: ("at", NUMBER),
    ENDING["epoch"]: ("epoch", NUMBER),
    ENDING["by"]: ("by", TEXT),
}
FIRST_FORMAT_FIELDS: Fields = {
    "version": ("version", NUMBER),
    "limit": ("limit", {"N": _limit}),
    "plan": ("plan", TEXT),
    "when_full": ("when_full", TEXT),
}
ACCOUNT_FIELDS: Fields = {
    **FIRST_FORMAT_FIELDS,
    "m": ("theoretical_arrival_at", NUMBER),
    "c": ("limit_set_at", NUMBER),
}
KNOWN_ATTRIBUTES = {
    *ACCOUNT_FIELDS,
    *RECENT_WRITES,
    *("user_id", "l", "p", "d", "keep_until", "ttl"),
    *("leases", "epochs", "ended"),
}
"""Stored names of the attributes that this release or version 1.0 writes."""


def lease_of(item: Item, id: str) -> Lease | None:
    """Parse the lease of one stream, without the others."""
    stored = item["l"]["M"].get(id)
    if not stored:
        return None

    priors, _ = _parse(item["p"]["M"], {id: (id, NUMBER)})
    return lease(id, stored, prior_expires_at=priors.get(id, 0))


def lease(id: str, item: Item, *, prior_expires_at: int) -> Lease:
    """Parse a stored lease, and keep the fields that this release does not know."""
    fields, unknown = _parse(item["M"], LEASE_FIELDS)
    if "metadata" in fields:
        fields["metadata"], unknown_metadata = _split_metadata(fields["metadata"])
        if unknown_metadata:
            unknown[LEASE["metadata"]] = {"M": unknown_metadata}

    if fields.get("device_id") is True:
        fields["device_id"] = id
    entitlement = Entitlement(
        limit=fields.pop("entitlement", None),
        plan=fields.pop("entitled_plan", None),
    )
    return Lease(
        id=id,
        prior_expires_at=prior_expires_at,
        entitlement=entitlement,
        unknown=unknown,
        **fields,
    )


def _split_metadata(
    stored: Mapping[str, Item],
) -> tuple[dict[str, Any], dict[str, Item]]:
    """Return the metadata of a lease, and the values whose kinds are unknown.

    A rule that examines such a value counts the stream as one that lacks it.
    """
    known = {}
    unknown = {}
    for key, value in stored.items():
        if value.keys() <= METADATA_KINDS:
            known[key] = plain(value)
        else:
            unknown[key] = value
    return known, unknown


def account(item: Item) -> Account:
    """Parse a whole item."""
    attributes, _ = _parse(item, ACCOUNT_FIELDS)
    stored_priors = item["p"]["M"]
    priors, _ = _parse(stored_priors, {id: (id, NUMBER) for id in stored_priors})
    leases = {
        id: lease(id, stored, prior_expires_at=priors.get(id, 0))
        for id, stored in item["l"]["M"].items()
    }
    ended = {id: _ending(stored) for id, stored in item["d"]["M"].items()}
    return Account(
        leases=leases,
        ended=ended,
        recent_writes=recent_writes(item),
        unknown_attributes=unknown_attributes(item),
        **attributes,
    )


def unknown_attributes(item: Item) -> tuple[str, ...]:
    """Return the stored names of the attributes that only another release knows."""
    return tuple(sorted(item.keys() - KNOWN_ATTRIBUTES))


def recent_writes(item: Item) -> tuple[str, ...]:
    """Return the ids of the last writes, the latest first."""
    return tuple(item[name]["S"] for name in RECENT_WRITES if name in item)


def is_first_format(item: Item) -> bool:
    """Return whether version 1.0 wrote this item.

    The next write of the whole account converts it.
    """
    return "leases" in item


def account_of_first_format(item: Item) -> Account:
    """Parse an item that version 1.0 wrote.

    It has the same fields under long names, and the epochs in a separate map.
    """
    epochs = plain(item["epochs"])
    leases = {
        id: Lease(id=id, epoch=epochs[id], **plain(stored))
        for id, stored in item["leases"]["M"].items()
    }
    ended = {}
    for id, stored in item["ended"]["M"].items():
        fields = plain(stored)
        ended[id] = Ending(**fields | {"reason": Reason(fields["reason"])})

    attributes, _ = _parse(item, FIRST_FORMAT_FIELDS)
    return Account(leases=leases, ended=ended, **attributes)


def plain(value: Item) -> Any:
    """Return the Python value of a text, number, boolean or map in DynamoDB's JSON."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: plain(inner) for name, inner in content.items()}
    if kind == "N":
        is_whole = content.lstrip("-").isdigit()
        return int(content) if is_whole else float(content)
    return content


def _parse(
    item: Mapping[str, Item], fields: Fields
) -> tuple[dict[str, Any], dict[str, Item]]:
    """Return the values of the known fields by their names, and the other fields.

    Raises:
        TypeError: a value is not one that this service writes.
    """
    values: dict[str, Any] = {}
    unknown: dict[str, Item] = {}
    for stored, value in item.items():
        if stored not in fields:
            unknown[stored] = value
            continue

        name, kinds = fields[stored]
        try:
            ((kind, content),) = value.items()
            values[name] = kinds[kind](content)
        except (KeyError, ValueError) as exc:
            raise TypeError(f"{name} is {value!r:.40}") from exc
    return values, unknown


def _ending(item: Item) -> Ending:
    """Parse a stored ending. A reason that only another release knows is a stop."""
    fields, unknown = _parse(item["M"], ENDING_FIELDS)

    reason = STORED_REASON.get(fields["reason"])
    if reason is None:
        reason = Reason.STOPPED
        unknown[ENDING["reason"]] = text(fields["reason"])
    if reason is Reason.EVICTED and "by" not in fields:
        reason = Reason.SUSPENDED
    return Ending(**fields | {"reason": reason}, unknown=unknown)


def _json(value: str | float) -> Item:
    """Return the value of a metadata key in DynamoDB's JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return text(value)
    return number(value)
