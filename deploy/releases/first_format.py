"""Items as version 1.0 of the service reads them, for the way back to it.

1.0 answers 500 for an item that a later version has written. It knows the same fields under their long names, and not
the ones that came later; those are dropped. A player that was started later has to start again all the same: 1.0 takes
no token but its own.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from streams.rules import Account, Reason
from streams.storage import items
from streams.storage.items import Item, number

FIELDS = ("stream_id", "device_id", "device_name", "device_type", "title")
KNOWN = {
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
REASONS = {
    Reason.STOPPED,
    Reason.EVICTED,
    Reason.REPLACED,
    Reason.TAKEN_OVER,
    Reason.EXPIRED,
}


def written_by_1_0(account: Account) -> dict[str, Item]:
    """What 1.0 writes of an account."""
    return {
        "leases": {
            "M": {
                id: {
                    "M": {
                        **{
                            name: {"S": text}
                            for name in FIELDS
                            if (text := getattr(lease, name)) is not None
                        },
                        "started_at": number(lease.started_at),
                        "expires_at": number(lease.expires_at),
                    }
                }
                for id, lease in account.leases.items()
            }
        },
        "epochs": {
            "M": {id: number(lease.epoch) for id, lease in account.leases.items()}
        },
        "ended": {
            "M": {
                id: {
                    "M": {
                        "reason": {"S": _reason(ending.reason).value},
                        "at": number(ending.at),
                    }
                    | ({} if ending.by is None else {"by": {"S": ending.by}})
                }
                for id, ending in account.ended.items()
            }
        },
    }


def _reason(reason: Reason) -> Reason:
    return reason if reason in REASONS else Reason.STOPPED


def rewrite(table: str, dynamodb: Any) -> Iterator[bool]:
    """Rewrite every item that a later version has written; whether it was, for each: one that changed meanwhile was
    not, and is there for the next run. `dynamodb` is a boto3 client."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table, FilterExpression="attribute_exists(l)", ConsistentRead=True
    )
    for page in pages:
        for item in page["Items"]:
            yield _rewrite(table, item, dynamodb)


def _rewrite(table: str, item: Mapping[str, Any], dynamodb: Any) -> bool:
    anew = written_by_1_0(items.account(item))
    later = sorted(item.keys() - KNOWN)
    names = {f"#{name}": name for name in (*anew, *later, "version")}
    values = {f":{name}": value for name, value in anew.items()} | {
        ":version": item["version"]
    }
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"user_id": item["user_id"]},
            UpdateExpression=f"SET {', '.join(f'#{name} = :{name}' for name in anew)} "
            f"REMOVE {', '.join(f'#{name}' for name in later)}",
            ConditionExpression="#version = :version",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True
