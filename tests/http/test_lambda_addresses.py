"""The caller's address on Lambda: that which AWS reports, not that which it sent."""

import importlib
from typing import Any

import pytest

from tests.lambda_events import lambda_handler

CALLER = "203.0.113.77"


def lambda_entry() -> Any:
    """Return the module of the handler, whose settings `lambda_events` prepares."""
    return importlib.import_module(lambda_handler.__module__)


@pytest.mark.parametrize(
    ("context", "forwarded", "address"),
    [
        ({"identity": {"sourceIp": CALLER}}, "6.6.6.6", CALLER),
        ({"identity": {"sourceIp": None}}, "6.6.6.6", ""),
        ({"elb": {}}, f"6.6.6.6, {CALLER}:50123", f"{CALLER}:50123"),
        ({"elb": {}}, "6.6.6.6, [2001:db8::1]:443", "[2001:db8::1]:443"),
        ({"elb": {}}, "", ""),
    ],
    ids=["REST API", "null", "ALB", "ALB with IPv6", "no header"],
)
def test_lambda_takes_the_address_that_aws_reports(
    context: dict[str, Any], forwarded: str, address: str
) -> None:
    environ = {"HTTP_X_FORWARDED_FOR": forwarded}
    lambda_entry()._set_address(environ, context)
    assert environ["REMOTE_ADDR"] == address
