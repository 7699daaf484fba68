"""Credentials of the transport."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from streams.dynamodb import deadline
from streams.dynamodb.transport import CredentialsChain
from tests.dynamodb_clients import curl
from tests.wire import Reply, Wire, hanging, listening


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Remove all credentials and return the folder of the shared files."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)

    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_credentials_come_from_a_profile(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "credentials").write_text(
        "[ops]\naws_access_key_id = AKIDOPS\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_PROFILE", "ops")

    assert CredentialsChain("eu-west-1")()[:3] == (
        "AKIDOPS",
        "secret",
        None,
    )


@pytest.mark.usefixtures("nowhere")
def test_without_credentials_the_error_says_so() -> None:
    with pytest.raises(NoCredentialsError, match="Unable to locate credentials"):
        CredentialsChain("eu-west-1")()


def temporary(key: str, *, seconds: int) -> Reply:
    """Return credentials of a container, as ECS, EKS and SnapStart provide them."""
    expiration = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    return 200, {
        "AccessKeyId": key,
        "SecretAccessKey": "s",
        "Token": f"token of {key}",
        "Expiration": expiration,
    }


def test_temporary_credentials_are_renewed_before_they_expire(
    wire: Wire, nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as container:
        container.answers = [
            temporary("ONE", seconds=3600),
            temporary("TWO", seconds=3600),
        ]
        monkeypatch.setenv(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            f"{container.url}/credentials",
        )
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc")
        chain = CredentialsChain("eu-west-1")
        client = curl(wire.url, credentials=chain)
        for _ in range(2):
            client._make_api_call("GetItem", {})
        chain._credentials._expiry_time = datetime.now(UTC) + timedelta(
            minutes=5
        )  # most of the hour has gone by
        client._make_api_call("GetItem", {})
        assert [asked.headers["Authorization"] for asked in container.asked] == [
            "Basic abc"
        ] * 2

    tokens = [asked.headers["X-Amz-Security-Token"] for asked in wire.asked]

    assert tokens == ["token of ONE", "token of ONE", "token of TWO"]


ASSUMED_ROLE = """
<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <Credentials>
      <AccessKeyId>WEB</AccessKeyId>
      <SecretAccessKey>s</SecretAccessKey>
      <SessionToken>t</SessionToken>
      <Expiration>{expires_at}</Expiration>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


def test_credentials_come_from_a_web_identity(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (nowhere / "token").write_text("a JWT")
    with listening() as sts:
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        answer = ASSUMED_ROLE.format(expires_at=expires_at.isoformat())
        sts.answers = [(200, answer.encode())]
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/streams")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(nowhere / "token"))
        chain = CredentialsChain("eu-west-1")
        assert [chain()[:3] for _ in range(2)] == [("WEB", "s", "t")] * 2
        assert len(sts.asked) == 1


def test_the_search_for_credentials_ends_at_the_deadline(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as container:
        monkeypatch.setenv(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            f"{container.url}/credentials",
        )
        container.answers = [hanging]
        with (
            deadline.of_request(seconds=0.1),
            pytest.raises(TimeoutError, match="no answer within"),
        ):
            CredentialsChain("eu-west-1")()
