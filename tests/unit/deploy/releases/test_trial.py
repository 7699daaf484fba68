"""The credentials of a release, and the events that it sends to a version."""

import base64
from typing import Any

import httpx
import pytest
from click import ClickException

from deploy.releases import Canary
from deploy.releases.deployment import canary_of_shell
from deploy.releases.trial import (
    Credentials,
    Invocations,
    address_of,
    try_version,
    viewer_token,
)
from deploy.releases.versions import NotFit
from stages import Stage
from streams.credentials import api_keys

STAGE = Stage("test", {"project_name": "limits", "aws_region": "eu-west-1"})


class StubVersions:
    """A version that answers every event in the same way."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.events: list[Any] = []

    def environment_of(self, version: str) -> dict[str, str]:
        return {"ALLOWED_HOSTS": "a.example"}

    def invoke(self, version: str, event: Any) -> dict[str, Any]:
        self.events.append(event)
        return self.answer


@pytest.fixture(autouse=True)
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VERIFY_TOKEN", "VERIFY_TOKEN_COMMAND", "CANARY", "MINUTES"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_holds_the_hash_of_the_key_and_not_the_key() -> None:
    credentials = Credentials(api_key="secret")

    (key,) = api_keys([credentials.release_key])

    assert "secret" not in credentials.release_key
    assert key.scopes == {"streams:operate", "streams:admin"}


def test_each_credential_tries_the_version_for_itself() -> None:
    both = Credentials("key", "token")

    assert list(both.each()) == [Credentials("key"), Credentials(token="token")]
    assert list(Credentials().each()) == []


def test_a_viewers_token_comes_from_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert viewer_token() is None

    monkeypatch.setenv("VERIFY_TOKEN", "of-the-shell")
    assert viewer_token() == "of-the-shell"

    monkeypatch.setenv("VERIFY_TOKEN_COMMAND", "echo of-the-command")
    assert viewer_token() == "of-the-command"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sh -c 'echo denied >&2; exit 1'", "denied"),
        ("no-such-command", "no-such-command"),
        ("true", "printed no token"),
        ("'", "No closing quotation"),
    ],
)
def test_a_command_without_a_token_is_an_error(
    monkeypatch: pytest.MonkeyPatch, command: str, message: str
) -> None:
    monkeypatch.setenv("VERIFY_TOKEN_COMMAND", command)

    with pytest.raises(ClickException, match=message):
        viewer_token()


def test_a_request_is_an_event_of_api_gateway() -> None:
    body = base64.b64encode(b"image").decode()
    versions: Any = StubVersions(
        {
            "statusCode": 200,
            "headers": {"A": "1"},
            "body": body,
            "isBase64Encoded": True,
        }
    )
    client = httpx.Client(
        base_url="https://a.example", transport=Invocations(versions, "7")
    )

    answer = client.post("/users/ana/streams", params={"dryRun": "1"}, json={"a": 1})

    (event,) = versions.events
    assert event["httpMethod"] == "POST"
    assert event["path"] == "/users/ana/streams"
    assert event["queryStringParameters"] == {"dryRun": "1"}
    assert event["body"] == '{"a":1}'
    assert event["headers"]["host"] == "a.example"
    assert (answer.content, answer.headers["A"]) == (b"image", "1")


@pytest.mark.parametrize("status", [401, 503])
def test_a_version_that_refuses_a_start_is_not_fit(status: int) -> None:
    versions: Any = StubVersions({"statusCode": status, "body": "{}"})

    with pytest.raises(
        NotFit, match=r"Version 7 does not serve the key of this release"
    ):
        try_version(versions, "7", STAGE, Credentials("key"))


def test_the_address_of_a_stage_is_that_of_api_gateway() -> None:
    url = "https://abc.execute-api.eu-west-1.amazonaws.com/test"
    assert address_of(STAGE, {"id": "abc"}) == url


def test_a_canary_of_the_shell_has_a_share_and_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert canary_of_shell() is None

    monkeypatch.setenv("CANARY", "5%")
    assert canary_of_shell() == Canary(0.05, 10)

    monkeypatch.setenv("CANARY", "100%")
    assert canary_of_shell() is None, "all traffic at once is no canary"

    monkeypatch.setenv("CANARY", "half")
    with pytest.raises(ClickException, match="not a share"):
        canary_of_shell()
