"""Each action of an operator is recorded, over HTTP and by command."""

import hashlib
import json
import logging
from typing import Any

import httpx
import jwt
import pytest
from django.core.management import call_command

from streams import audit
from streams_project.logs import TextFormatter
from tests.http.bearer_tokens import SECRET, claims
from tests.viewer import Viewer

KEYS = {"X-API-Key": "the-key"}


@pytest.fixture(autouse=True)
def guarded(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a service that requires credentials."""
    from streams.api_view import StreamsAPIView
    from streams.authentication import ApiKeyAuthentication, BearerAuthentication
    from streams.credentials import ApiKey

    scopes = frozenset({"streams:operate", "streams:admin"})
    settings.API_KEYS = [
        ApiKey("billing", hashlib.sha256(b"the-key").hexdigest(), scopes)
    ]
    settings.AUTH_JWT_SECRETS, settings.AUTH_ALGORITHMS = [SECRET], ["HS256"]
    settings.AUTH_ISSUER, settings.AUTH_AUDIENCE = "https://id.example.com", "streams"
    settings.OPEN_ACCESS = False
    monkeypatch.setattr(
        StreamsAPIView,
        "authentication_classes",
        [BearerAuthentication, ApiKeyAuthentication],
    )


def bearer(user_id: str, **more: Any) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {jwt.encode(claims(sub=user_id, **more), SECRET)}"
    }


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.audit for record in caplog.records if record.name == "streams.audit"]  # type: ignore[attr-defined]


def written(caplog: pytest.LogCaptureFixture) -> str:
    """Return the log of the service, without the records of the HTTP client."""
    records = [
        record for record in caplog.records if not record.name.startswith("http")
    ]
    return "\n".join(TextFormatter().format(record) for record in records)


def line(
    action: str, user_id: str, by: str, before: Any, after: Any, **more: Any
) -> dict[str, Any]:
    user = audit.user_in_logs(user_id)
    return {
        "action": action,
        "by": by,
        "user": user,
        **more,
        "before": before,
        "after": after,
    }


def test_each_action_of_an_operator_over_http_is_recorded(
    api: httpx.Client, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    olga = bearer("olga", scope="streams:operate streams:admin")
    url = f"/users/{user_id}"
    api.post(
        f"{url}/streams", json={"streamId": "456", "deviceId": "tv"}, headers=KEYS
    ).raise_for_status()
    api.put(
        f"{url}/limit", json={"limit": 5, "whenFull": "deny"}, headers=KEYS
    ).raise_for_status()
    api.put(
        f"{url}/limit", json={"limit": 2, "whenFull": "evict-oldest"}, headers=olga
    ).raise_for_status()
    api.delete(f"{url}/limit", headers=olga).raise_for_status()
    api.delete(f"{url}/streams/tv", headers=olga).raise_for_status()
    api.delete(f"{url}/streams/tv", headers=KEYS).raise_for_status()

    five = {"limit": 5, "whenFull": "deny"}
    two = {"limit": 2, "whenFull": "evict-oldest"}

    assert lines(caplog) == [
        line("limit.set", user_id, "key billing", None, five),
        line("limit.set", user_id, "subject olga", five, two),
        line("limit.clear", user_id, "subject olga", two, None),
        line("stream.stop", user_id, "subject olga", "live", "over", id="tv"),
        line("stream.stop", user_id, "key billing", "over", "over", id="tv"),
    ]

    json.dumps(lines(caplog))

    assert user_id not in written(caplog)


def test_each_action_of_an_operator_at_a_terminal_is_recorded(
    user_id: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("LOGNAME", "olga")
    call_command("limit", "set", user_id, "5")
    call_command("limit", "clear", user_id)
    five = {"limit": 5, "whenFull": None}

    assert lines(caplog) == [
        line("limit.set", user_id, "command olga", None, five),
        line("limit.clear", user_id, "command olga", five, None),
    ]


def test_actions_of_a_viewer_are_not_recorded(
    api: httpx.Client, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    api.headers.update(bearer(user_id))
    Viewer(api, user_id).started(deviceId="tv")

    assert api.delete(f"/users/{user_id}/streams/tv").status_code == 204
    assert lines(caplog) == []
    assert user_id not in written(caplog)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "credentials-missing"),
        ({"Authorization": "Bearer nonsense"}, "credentials-malformed"),
        (bearer("ana", exp=1), "credentials-expired"),
        (bearer("ana", iss="https://id.example.com/"), "credentials-wrong-issuer"),
        (bearer("ana", aud="another"), "credentials-wrong-audience"),
        ({"X-API-Key": "unknown"}, "credentials-unknown-api-key"),
    ],
    ids=[
        "missing",
        "malformed",
        "expired",
        "wrong issuer",
        "wrong audience",
        "unknown API key",
    ],
)
def test_rejected_credentials_are_counted_by_kind(
    api: httpx.Client,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
    headers: dict[str, str],
    kind: str,
) -> None:
    settings.METRICS, settings.EVENT_SINKS = "emf", ["streams.sinks.lines.line"]

    assert api.get("/users/ana/streams", headers=headers).status_code == 401

    (counted,) = capsys.readouterr().out.splitlines()

    assert json.loads(counted)[kind] == 1
    assert "ana" not in counted
