"""A scripted DynamoDB, and items in its JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from streams.dynamodb import calls
from streams.rules import Account
from streams.storage import items

DONE: dict[str, Any] = {
    "ConsumedCapacity": {"CapacityUnits": 1.0},
    "Attributes": {},
}
STORED_NAME = {
    "leases": "l",
    "priors": "p",
    "ended": "d",
    "theoretical_arrival_at": "m",
    "limit_set_at": "c",
}
"""Names of attributes of the model whose stored names differ."""


def stored(account: Account, **more: Any) -> dict[str, Any]:
    """Return the item of an account, as DynamoDB returns it."""
    values = items.account_item(account) | items.override_item(account) | more
    renamed = {STORED_NAME.get(name, name): value for name, value in values.items()}
    item: dict[str, Any] = json.loads(json.dumps(renamed))
    return item


def condition_failed(
    item: Mapping[str, Any] | None,
) -> ClientError:
    """Return the error of a failed condition, with the item that it met."""
    return refused("ConditionalCheckFailedException", Item=item)


def refused(
    code: str, *, status: int = 400, message: str = "the reason", **more: Any
) -> ClientError:
    """Return an error response of DynamoDB."""
    response: Any = {
        "Error": {
            "Code": code,
            "Message": message,
        },
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "UpdateItem")


type Answer = Mapping[str, Any] | Exception | Callable[[Mapping[str, Any]], Any]
"""A good answer, an error, or the answer to these arguments."""


class ScriptedTable:
    """A DynamoDB that gives these answers in turn, and keeps the calls."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(
        self,
        operation: str,
        arguments: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        self.calls.append((operation, arguments))
        answer = self.answers.pop(0)
        if callable(answer):
            answer = answer(arguments)
        if isinstance(answer, Exception):
            raise answer
        return answer


def after_a_lost_answer(
    item: Mapping[str, Any] | None,
) -> Answer:
    """Return the answer to a repeat: the first send got none, and this one fails."""

    def answer(
        arguments: Mapping[str, Any],
    ) -> ClientError:
        calls.unanswered.set(calls.unanswered.get() + 1)
        return condition_failed(item)

    return answer
