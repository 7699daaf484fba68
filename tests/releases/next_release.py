"""Turns today's code into that of a release that writes more than this one knows.

A worker imports it (`worker.py --next`). The next release reads and writes:

* one more element in tokens, before the start of a grace lease, and in paces;
* one more field in leases, endings and items, and one more value in metadata;
* another name of the reason "replaced", and of the behaviour "deny".

It treats a lease that lost its field as a fault of the release before it.
"""

from dataclasses import replace
from typing import Any

from django.core.signing import Signer

from streams import tokens
from streams.conf import settings
from streams.rules import Account, Ending, Lease, Reason, WhenFull
from streams.storage import items
from streams.storage.table import Table

FIELD = "zz"
LATER = {"S": "written by the next release"}
REASON = "q"
BEHAVIOUR = "deny-with-a-hint"
ELEMENT = {"region": "eu-west-1"}


def apply() -> None:
    """Replace the functions of this release that write."""
    _write_more_in_tokens()
    _write_more_in_items()
    _write_more_in_the_item()


def _write_more_in_tokens() -> None:
    class LongerSigner(Signer):
        """Signs contents with one more element, at two levels."""

        def sign_object(self, obj: Any, *arguments: Any, **options: Any) -> str:
            user_id, id, epoch, expires_at, stream_id, pace, *grace = obj
            longer_pace = [*pace, "more"] if pace else pace
            known = [user_id, id, epoch, expires_at, stream_id, longer_pace]
            start = [fields | {"region": "eu-west-1"} for fields in grace]
            longer_token = [*known, ELEMENT, *start]
            return str(super().sign_object(longer_token, *arguments, **options))

    def longer_signer(*, salt: str) -> Signer:
        key, *fallback_keys = settings.LEASE_TOKEN_KEYS
        return LongerSigner(key=key, fallback_keys=[*fallback_keys], salt=salt)

    vars(tokens)["signer"] = longer_signer


def _write_more_in_items() -> None:
    lease_item = items.lease_item
    ending_item = items.ending_item
    override_item = items.override_item
    account = items.account

    def longer_lease(lease: Lease) -> items.Item:
        item = lease_item(lease)
        metadata = item["M"].get("x", {"M": {}})["M"] | {"later": {"L": [LATER]}}
        return {"M": item["M"] | {FIELD: LATER, "x": {"M": metadata}}}

    def longer_ending(ending: Ending) -> items.Item:
        item = ending_item(ending)
        return {"M": item["M"] | {FIELD: LATER}}

    def other_override(account: Account) -> dict[str, Any]:
        override = override_item(account)
        if override.get("when_full") == {"S": WhenFull.DENY}:
            override["when_full"] = {"S": BEHAVIOUR}
        return override

    def known_account(item: items.Item) -> Account:
        parsed = account(item)
        if parsed.when_full == BEHAVIOUR:
            return replace(parsed, when_full=WhenFull.DENY)
        return parsed

    items.lease_item = longer_lease
    items.ending_item = longer_ending
    items.override_item = other_override
    items.account = known_account
    items.REASON[Reason.REPLACED] = REASON
    items.STORED_REASON[REASON] = Reason.REPLACED


def _write_more_in_the_item() -> None:
    update = Table.update

    def longer_update(self: Table, arguments: Any) -> Any:
        expression = arguments["UpdateExpression"]
        names = arguments["ExpressionAttributeNames"] | {"#later": FIELD}
        values = arguments["ExpressionAttributeValues"] | {":later": LATER}
        return update(
            self,
            arguments
            | {
                "UpdateExpression": expression.replace(
                    "SET ", "SET #later = :later, ", 1
                ),
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": values,
            },
        )

    Table.update = longer_update  # type: ignore[method-assign]
