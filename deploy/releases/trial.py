"""Tries a version as one viewer: by direct invocations, and through the URL.

A release makes an API key for its version: the function's environment holds the hash
(`RELEASE_KEY`), and only this process the key. The way of viewers with a bearer token
can only be tried with such a token: `VERIFY_TOKEN`, or the output of the command in
`VERIFY_TOKEN_COMMAND`. It belongs to a viewer who plays nothing.
"""

import base64
import hashlib
import logging
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, override

import httpx
from click import ClickException

from deploy.package import allowed_host
from deploy.releases.versions import NotFit, Versions
from deploy.verify import DeployedService, first_failure
from stages import Stage

RELEASE_KEY = "RELEASE_KEY"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The credentials with which a release tries its version."""

    api_key: str | None = None
    token: str | None = None

    @property
    def release_key(self) -> str:
        """The value of the variable `RELEASE_KEY`, which holds only a hash."""
        digest = hashlib.sha256(str(self.api_key).encode()).hexdigest()
        return f"release:{digest}:streams:operate streams:admin"

    def each(self) -> Iterator["Credentials"]:
        """Yield each credential for itself."""
        if self.api_key:
            yield Credentials(api_key=self.api_key)
        if self.token:
            yield Credentials(token=self.token)


def new_credentials() -> Credentials:
    """Make a key, and get a viewer's token if the operator's shell provides one.

    Raises:
        ClickException: the command of the token fails.
    """
    return Credentials(secrets.token_urlsafe(32), viewer_token())


def viewer_token() -> str | None:
    """Return the token of a viewer, from the shell or from its command."""
    command = os.environ.get("VERIFY_TOKEN_COMMAND")
    if not command:
        return os.environ.get("VERIFY_TOKEN") or None

    try:
        result = subprocess.run(
            shlex.split(command), capture_output=True, text=True, check=True
        )
    except (OSError, ValueError, subprocess.CalledProcessError) as exc:
        reason = getattr(exc, "stderr", None) or exc
        raise ClickException(f"VERIFY_TOKEN_COMMAND failed: {reason}") from exc

    token = result.stdout.strip()
    if not token:
        raise ClickException("VERIFY_TOKEN_COMMAND printed no token.")
    return token


def has_issuer(variables: Mapping[str, str]) -> bool:
    """Return whether viewers authenticate with bearer tokens."""
    return bool(variables.get("AUTH_JWKS") or variables.get("AUTH_JWT_SECRETS"))


def address_of(stage: Stage, api: Mapping[str, Any]) -> str:
    """Return the URL at which API Gateway serves a stage."""
    emulator = stage.settings.get("aws_endpoint_urls", {}).get("apigateway")
    if emulator:
        return f"{emulator}/restapis/{api['id']}/{stage.name}/_user_request_"
    host = f"{api['id']}.execute-api.{stage.region}.amazonaws.com"
    return f"https://{host}/{stage.name}"


def try_version(
    versions: Versions, version: str, stage: Stage, credentials: Credentials
) -> None:
    """Invoke a version as a viewer's calls would.

    Raises:
        NotFit: it does not do what it is for.
    """
    environment = {**versions.environment_of(version), **stage.environment}
    _try(
        f"Version {version}",
        f"https://{allowed_host(environment)}",
        credentials,
        Invocations(versions, version),
    )


def try_url(url: str, credentials: Credentials) -> None:
    """Call the service from outside as a viewer.

    Raises:
        NotFit: it does not do what it is for.
    """
    _try(url, url, credentials)


def _try(
    subject: str,
    url: str,
    credentials: Credentials,
    transport: httpx.BaseTransport | None = None,
) -> None:
    # httpx would log each request between the lines of the release.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    for credential in credentials.each():
        service = DeployedService(
            url=url,
            api_key=credential.api_key,
            token=credential.token,
            transport=transport,
        )
        with service.client:
            failure = first_failure(service)
        if failure:
            caller = "key of this release" if credential.api_key else "viewer's token"
            raise NotFit(f"{subject} does not serve the {caller}: {failure}")


class Invocations(httpx.BaseTransport):
    """Sends each request as an event of API Gateway to one version of the function."""

    def __init__(self, versions: Versions, version: str) -> None:
        self._versions = versions
        self._version = version

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        event = {
            "httpMethod": request.method,
            "path": request.url.path,
            "headers": dict(request.headers),
            "queryStringParameters": dict(request.url.params) or None,
            "body": request.read().decode() or None,
            "requestContext": {},
        }
        answer = self._versions.invoke(self._version, event)

        body = answer.get("body") or ""
        is_binary = answer.get("isBase64Encoded", False)
        return httpx.Response(
            answer["statusCode"],
            headers=answer.get("headers"),
            content=base64.b64decode(body) if is_binary else body.encode(),
        )
