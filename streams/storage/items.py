"""Items: the account of a user in DynamoDB's JSON.

Names inside an item are short, because each write pays for the whole item by the
kilobyte. `LEASE` and `ENDING` translate them. Ids are keys of the maps `leases`
and `priors`. A `deviceId` that equals the stream's id is stored as `true`.

Another release may have stored more: leases and endings keep the fields that this
release does not know, so that each write stores them again.
"""

from collections.abc import Mapping
from typing import Any

from streams.rules import (
    ATTRIBUTES,
    Account,
    Ending,
    Entitlement,
    Lease,
    Reason,
    StoredFields,
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

LEASE_TYPES: dict[str, type] = {
    "stream_id": str,
    "started_at": int,
    "expires_at": int,
    "epoch": int,
    "nonce": str,
    "device_id": str,
    "device_name": str,
    "device_type": str,
    "title": str,
    "metadata": dict,
    "network": str,
    "entitlement": int,
    "entitled_plan": str,
    "paused_at": int,
    "revived_from": int,
    "revived_to": int,
}
ENDING_TYPES: dict[str, type] = {"reason": str, "at": int, "epoch": int, "by": str}
ACCOUNT_TYPES: dict[str, type] = {
    "version": int,
    "limit": int,
    "plan": str,
    "when_full": str,
    "m": int,
    "c": int,
}
"""Types of the stored values. An item with another type was not written here."""

RECENT_WRITES = ("w1", "w2", "w3")
"""Stored names of the attributes with the ids of the last writes."""
KNOWN_ATTRIBUTES = {
    *ACCOUNT_TYPES,
    *RECENT_WRITES,
    *("user_id", "l", "p", "d", "keep_until", "ttl"),
    *("leases", "epochs", "ended"),
}
"""Stored names of the attributes that this release or version 1.0 writes."""
METADATA_KINDS = {"S", "N", "BOOL"}
"""Kinds of values in DynamoDB's JSON that metadata can have."""

LEASE_FIELD = {stored: name for name, stored in LEASE.items()}
ENDING_FIELD = {stored: name for name, stored in ENDING.items()}
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


def lease_of(item: Item, id: str) -> Lease | None:
    """Parse the lease of one stream, without the others."""
    stored = item["l"]["M"].get(id)
    if not stored:
        return None

    prior = plain(item["p"]["M"].get(id, number(0)))
    _check_types({"prior": prior}, {"prior": int})
    return lease(id, stored, prior_expires_at=prior)


def lease(id: str, item: Item, *, prior_expires_at: int) -> Lease:
    """Parse a stored lease, and keep the fields that this release does not know."""
    unknown = _unknown_fields(item, LEASE_FIELD)
    known, unknown_metadata = _split_metadata(item)
    if unknown_metadata:
        unknown[LEASE["metadata"]] = {"M": unknown_metadata}

    fields = _known_fields(known, LEASE_FIELD)
    if fields.get("device_id") is True:
        fields["device_id"] = id
    _check_types(fields, LEASE_TYPES)

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


def _split_metadata(item: Item) -> tuple[Item, dict[str, Item]]:
    """Return a lease without the metadata whose kinds are unknown, and that metadata.

    A rule that examines such a value counts the stream as one that lacks it.
    """
    stored = item["M"].get(LEASE["metadata"])
    if stored is None:
        return item, {}

    values: Mapping[str, Item] = stored["M"]
    unknown = {
        key: value
        for key, value in values.items()
        if not value.keys() <= METADATA_KINDS
    }
    if not unknown:
        return item, {}
    known = {key: value for key, value in values.items() if key not in unknown}
    return {"M": item["M"] | {LEASE["metadata"]: {"M": known}}}, unknown


def account(item: Item) -> Account:
    """Parse a whole item."""
    attributes = {name: plain(item[name]) for name in ACCOUNT_TYPES if name in item}
    _check_types(attributes, ACCOUNT_TYPES)
    priors = plain(item["p"])
    _check_types(priors, dict.fromkeys(priors, int))
    leases = {
        id: lease(id, stored, prior_expires_at=priors.get(id, 0))
        for id, stored in item["l"]["M"].items()
    }
    ended = {id: _ending(stored) for id, stored in item["d"]["M"].items()}
    return Account(
        version=attributes["version"],
        leases=leases,
        ended=ended,
        theoretical_arrival_at=attributes.get("m", 0),
        limit_set_at=attributes.get("c", 0),
        recent_writes=recent_writes(item),
        unknown_attributes=unknown_attributes(item),
        **_override(item),
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

    return Account(
        version=plain(item["version"]),
        leases=leases,
        ended=ended,
        **_override(item),
    )


def plain(value: Item) -> Any:
    """Return the Python value of a text, number, boolean or map in DynamoDB's JSON."""
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: plain(inner) for name, inner in content.items()}
    if kind == "N":
        is_whole = content.lstrip("-").isdigit()
        return int(content) if is_whole else float(content)
    return content


def _known_fields(item: Item, names: Mapping[str, str]) -> dict[str, Any]:
    fields = item["M"].items()
    return {names[stored]: plain(value) for stored, value in fields if stored in names}


def _unknown_fields(item: Item, names: Mapping[str, str]) -> dict[str, Item]:
    fields = item["M"].items()
    return {stored: value for stored, value in fields if stored not in names}


def _override(item: Item) -> dict[str, Any]:
    override: dict[str, Any] = {}
    if "limit" in item:
        override["limit"] = int(plain(item["limit"]))
        if override["limit"] < 0:
            raise ValueError(f"limit is {override['limit']}")
    if "plan" in item:
        override["plan"] = str(plain(item["plan"]))
    if "when_full" in item:
        override["when_full"] = str(plain(item["when_full"]))
    return override


def _ending(item: Item) -> Ending:
    """Parse a stored ending. A reason that only another release knows is a stop."""
    fields = _known_fields(item, ENDING_FIELD)
    unknown: StoredFields = _unknown_fields(item, ENDING_FIELD)
    _check_types(fields, ENDING_TYPES)

    reason = STORED_REASON.get(fields["reason"])
    if reason is None:
        reason = Reason.STOPPED
        unknown = {**unknown, ENDING["reason"]: text(fields["reason"])}
    if reason is Reason.EVICTED and "by" not in fields:
        reason = Reason.SUSPENDED
    return Ending(**fields | {"reason": reason}, unknown=unknown)


def _check_types(values: Mapping[str, Any], types: Mapping[str, type]) -> None:
    """Raise `TypeError` if a stored value has another type than this service writes."""
    for name, value in values.items():
        if type(value) is not types[name]:
            raise TypeError(f"{name} is {value!r:.40}")


def _json(value: str | float) -> Item:
    """Return the value of a metadata key in DynamoDB's JSON."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return text(value)
    return number(value)
