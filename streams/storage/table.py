"""The table: one call to DynamoDB, and the errors that it can end in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pybreaker import CircuitBreakerError

from streams.conf import settings
from streams.dynamodb import calls
from streams.errors import (
    ItemUnreadable,
    RequestTimedOut,
    StoreDown,
    StoreThrottled,
    StoreUnavailable,
)
from streams.rules import Account, Lease, immutable
from streams.storage import items
from streams.storage.items import Item

type Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Sends an operation (`UpdateItem`) with its arguments and returns the answer."""


@immutable
class StoredItem:
    """A user's item as DynamoDB returned it. `account` is None without an item."""

    account: Account | None
    is_first_format: bool = False

    @classmethod
    def of(cls, item: Item | None) -> "StoredItem":
        """Parse an item, or the absence of one."""
        if not item:
            return cls(account=None)
        is_first_format = items.is_first_format(item)
        return cls(account=account_of(item), is_first_format=is_first_format)


class ConditionFailed(Exception):
    """A conditional write was not applied. `stored` is the item that it met."""

    def __init__(self, stored: StoredItem) -> None:
        super().__init__()
        self.stored = stored


@dataclass(frozen=True, slots=True)
class Table:
    """Reads and writes the item of a user. Every call goes through `send`."""

    call: Call

    def read(self, user_id: str) -> StoredItem:
        """Read an item consistently and parse it."""
        return StoredItem.of(self.read_item(user_id))

    def read_item(self, user_id: str) -> Item | None:
        """Read an item consistently, without parsing it."""
        arguments = self.key(user_id) | {"ConsistentRead": True}
        item: Item | None = self.send("GetItem", arguments).get("Item")
        return item

    def update(self, arguments: Mapping[str, Any]) -> Item:
        """Write an item and return what `ReturnValues` asks for.

        Raises:
            ConditionFailed: the item does not satisfy the condition.
        """
        item: Item = self.send("UpdateItem", arguments).get("Attributes", {})
        return item

    def key(self, user_id: str) -> dict[str, Any]:
        """Return the arguments that select a user's item."""
        return {
            "TableName": settings.DYNAMODB_TABLE,
            "Key": {"user_id": {"S": user_id}},
        }

    def send(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one call and wrap every failure of it in an error of `streams`.

        Raises:
            ConditionFailed: the item does not satisfy the condition.
            StoreThrottled, StoreUnavailable: DynamoDB answered with an error.
            StoreDown: no answer from DynamoDB arrived.
            RequestTimedOut: the request's time is over.
            ItemUnreadable: the item is not one that this service writes.
        """
        try:
            answer = self.call(operation, arguments)
        except ClientError as exc:
            raise _error_of(exc, arguments) from exc
        except calls.OutOfTime as exc:
            raise RequestTimedOut(f"{operation}: {exc}") from exc
        except CircuitBreakerError as exc:
            raise StoreDown(f"{operation}: {exc}", was_sent=False) from exc
        except (BotoCoreError, TimeoutError) as exc:
            raise StoreDown(f"{operation}: {exc}") from exc
        except Exception as exc:  # botocore does not wrap its parser's errors
            message = f"{operation}: the answer is not DynamoDB's: {exc!r}"
            raise StoreDown(message) from exc

        if not _is_complete(answer, arguments):
            message = f"{operation}: status 200, but data is missing: {answer!r:.200}"
            raise StoreUnavailable(message)
        return answer


def account_of(item: Item) -> Account:
    """Parse a whole item."""
    parse = items.account
    if items.is_first_format(item):
        parse = items.account_of_first_format

    try:
        return parse(item)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _not_our_item(exc) from exc


def lease_of(item: Item, id: str) -> Lease | None:
    """Parse one lease of an item."""
    try:
        return items.lease_of(item, id)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _not_our_item(exc) from exc


def _not_our_item(exc: Exception) -> ItemUnreadable:
    return ItemUnreadable(f"the item was not written by this service: {exc!r}")


def _error_of(exc: ClientError, arguments: Mapping[str, Any]) -> Exception:
    """Return the error of `streams` for an error of botocore's client."""
    response: Mapping[str, Any] = calls.error_response(exc) or {}
    code = response["Error"]["Code"]

    is_conditional = "ConditionExpression" in arguments
    if is_conditional and code == "ConditionalCheckFailedException":
        return ConditionFailed(StoredItem.of(response.get("Item")))
    if is_conditional and _met_a_wrong_type(response):
        return _not_our_item(exc)
    if not calls.is_answer(exc):
        return StoreDown(str(exc))
    if calls.is_throttled(exc):
        return StoreThrottled(str(exc))
    return StoreUnavailable(str(exc))


ABOUT_THE_ITEM = (
    "operand",
    "document path",
    "does not exist in the item",
    "datatypes",  # ministack, for a path into a value that is not a map
)
"""Words of messages about the type or absence of a stored value."""


def _met_a_wrong_type(response: Mapping[str, Any]) -> bool:
    """Return whether a stored value has a type that a statement cannot use.

    The statements themselves are valid, so such an error is about the item. A
    missing attribute is such an error too.
    """
    error = response["Error"]
    message = str(error.get("Message", "")).lower()
    is_about_item = any(words in message for words in ABOUT_THE_ITEM)
    return error["Code"] == "ValidationException" and is_about_item


def _is_complete(answer: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
    """Return whether an answer has the data that the call asked for.

    Every call asks for the consumed capacity, so no complete answer is empty.
    """
    if arguments.get("ReturnValues") == "ALL_NEW":
        return isinstance(answer.get("Attributes"), dict)
    return bool(answer.keys() - {"ResponseMetadata"})
