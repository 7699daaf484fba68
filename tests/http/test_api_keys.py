"""API keys are identified by their hash."""

import hashlib
from typing import Any

import pytest
from rest_framework.exceptions import AuthenticationFailed

from streams.authentication import ApiKeyAuthentication, Caller
from streams.credentials import ApiKey
from tests.http.bearer_tokens import request


def test_several_api_keys_can_be_active(
    settings: Any,
) -> None:
    settings.API_KEYS = [
        ApiKey(
            f"billing-{key}",
            hashlib.sha256(key.encode()).hexdigest(),
            frozenset({"streams:operate"}),
        )
        for key in ("old", "new")
    ]
    for key in ("old", "new"):
        authenticated = ApiKeyAuthentication().authenticate(request(HTTP_X_API_KEY=key))
        assert authenticated
        assert authenticated[0] == Caller(
            key_name=f"billing-{key}", scopes=frozenset({"streams:operate"})
        )


@pytest.mark.parametrize(
    "key", ["", "unknown", hashlib.sha256(b"old").hexdigest(), "ñ", "x" * 9000]
)
def test_an_unknown_api_key_is_rejected(settings: Any, key: str) -> None:
    settings.API_KEYS = [
        ApiKey(
            "billing",
            hashlib.sha256(b"old").hexdigest(),
            frozenset({"streams:operate"}),
        )
    ]
    with pytest.raises(AuthenticationFailed):
        ApiKeyAuthentication().authenticate(request(HTTP_X_API_KEY=key))
