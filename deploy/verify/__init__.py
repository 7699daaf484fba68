"""Checks a deployment from outside, over HTTP, and leaves nothing behind.

    python -m deploy.verify https://streams.example.com

The command needs Python and httpx only. `service` sends the requests, `checks` are the
promises of the service, and `report` prints the results.

`account` checks a deployed stage inside its AWS account, for `manage.py verify_stage`.
It needs more packages, so it is imported at its first use.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from deploy.verify.command import add_arguments, main, verify
from deploy.verify.service import DeployedService

if TYPE_CHECKING:
    from deploy.verify.account import Client, Fact
    from stages import Stage

__all__ = [
    "DeployedService",
    "add_arguments",
    "address_of",
    "main",
    "verify",
    "verify_account",
]


def verify_account(
    stage: "Stage", client: "Client", url: str | None = None
) -> "Iterator[Fact]":
    """Yield every fact about a deployed stage; see `account.verify_account`."""
    from deploy.verify import account

    return account.verify_account(stage, client, url)


def address_of(stage: "Stage", api: dict[str, Any]) -> str:
    """Return the URL at which API Gateway serves a stage."""
    from deploy.verify import account

    return account.address_of(stage, api)
