"""Converts items to the format of version 1.0 of the service, for a rollback to it.

Version 1.0 answers 500 for an item that a later version has written. It stores the same
fields under long names; the fields of later versions are dropped. A player that started
after the upgrade must start again in any case, because 1.0 accepts only its own tokens.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from streams.rules import Account, Ending, Lease, Reason
from streams.rules.plans import when_full_of
from streams.storage import items
from streams.storage.items import Item, number, text

LEASE_FIELDS = ("stream_id", "device_id", "device_name", "device_type", "title")
ATTRIBUTES = {
    "user_id",
    "version",
    "leases",
    "epochs",
    "ended",
    "limit",
    "when_full",
    "keep_until",
    "ttl",
}
"""The attributes of an item that version 1.0 reads."""

REASONS = {
    Reason.STOPPED,
    Reason.EVICTED,
    Reason.REPLACED,
    Reason.TAKEN_OVER,
    Reason.EXPIRED,
}
"""The reasons that version 1.0 knows."""


def first_format_item(account: Account) -> dict[str, Item]:
    """Return the attributes that version 1.0 stores for an account."""
    leases = {id: {"M": _lease(lease)} for id, lease in account.leases.items()}
    epochs = {id: number(lease.epoch) for id, lease in account.leases.items()}
    endings = {id: {"M": _ending(ending)} for id, ending in account.ended.items()}
    return {
        "leases": {"M": leases},
        "epochs": {"M": epochs},
        "ended": {"M": endings},
    }


def rewrite_items(table: str, dynamodb: Any) -> Iterator[bool]:
    """Convert every item that a later version has written.

    Yields for each item whether it was converted. An item that changed during the
    conversion was not; the next run converts it. `dynamodb` is a boto3 client.
    """
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table, FilterExpression="attribute_exists(l)", ConsistentRead=True
    )
    for page in pages:
        for item in page["Items"]:
            yield rewrite_item(table, item, dynamodb)


def rewrite_item(table: str, item: Mapping[str, Any], dynamodb: Any) -> bool:
    """Convert an item and return True, or False if it changed since it was read."""
    converted = first_format_item(items.account(item))
    if "when_full" in item:
        converted["when_full"] = text(when_full_of(item["when_full"]["S"]))
    removed = sorted(item.keys() - ATTRIBUTES)

    set_values = ", ".join(f"#{name} = :{name}" for name in converted)
    remove_names = ", ".join(f"#{name}" for name in removed)
    names = {f"#{name}": name for name in (*converted, *removed, "version")}
    values = {f":{name}": value for name, value in converted.items()}
    values[":version"] = item["version"]

    try:
        dynamodb.update_item(
            TableName=table,
            Key={"user_id": item["user_id"]},
            UpdateExpression=f"SET {set_values} REMOVE {remove_names}",
            ConditionExpression="#version = :version",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _lease(lease: Lease) -> dict[str, Item]:
    texts = {name: getattr(lease, name) for name in LEASE_FIELDS}
    fields: dict[str, Item] = {
        name: {"S": text} for name, text in texts.items() if text is not None
    }
    fields["started_at"] = number(lease.started_at)
    fields["expires_at"] = number(lease.expires_at)
    return fields


def _ending(ending: Ending) -> dict[str, Item]:
    reason = ending.reason if ending.reason in REASONS else Reason.STOPPED
    fields: dict[str, Item] = {"reason": {"S": reason.value}, "at": number(ending.at)}
    if ending.by is not None:
        fields["by"] = {"S": ending.by}
    return fields
