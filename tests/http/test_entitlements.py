"""Limits and plans that a bearer token grants."""

from typing import Any

import pytest
from rest_framework.exceptions import AuthenticationFailed

from tests.http.bearer_tokens import caller_of, token


@pytest.mark.parametrize(
    ("is_trusted", "limit"), [(True, 5), (False, None)], ids=["trusted", "not trusted"]
)
def test_a_granted_limit_applies_if_the_issuer_is_trusted(
    shared_secret: Any, is_trusted: bool, limit: int | None
) -> None:
    shared_secret.AUTH_TRUST_STREAM_LIMIT = is_trusted
    caller = caller_of(token(stream_limit=5))
    assert caller is not None
    assert caller.entitlement.limit == limit


@pytest.mark.parametrize(
    ("is_trusted", "plan"),
    [(True, "family"), (False, None)],
    ids=["trusted", "not trusted"],
)
def test_a_granted_plan_applies_if_the_issuer_is_trusted(
    shared_secret: Any, is_trusted: bool, plan: str | None
) -> None:
    shared_secret.AUTH_TRUST_STREAM_PLAN = is_trusted
    caller = caller_of(token(stream_plan="family"))
    assert caller is not None
    assert caller.entitlement.plan == plan


@pytest.mark.parametrize("plan", ["", "x" * 65, 5, True, ["family"], "é"], ids=str)
def test_a_token_with_an_invalid_plan_is_rejected(
    shared_secret: Any, plan: Any
) -> None:
    shared_secret.AUTH_TRUST_STREAM_PLAN = True
    with pytest.raises(AuthenticationFailed):
        caller_of(token(stream_plan=plan))


@pytest.mark.parametrize("limit", [-1, 101, "5", 5.0, True, [5]], ids=str)
def test_a_token_with_an_invalid_limit_is_rejected(
    shared_secret: Any, limit: Any
) -> None:
    shared_secret.AUTH_TRUST_STREAM_LIMIT = True
    with pytest.raises(AuthenticationFailed):
        caller_of(token(stream_limit=limit))
