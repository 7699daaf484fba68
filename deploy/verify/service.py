"""The client of the checks: a deployment, and the users that the checks create in it.

An operator's credentials allow users with random names. A viewer's credentials allow
only the viewer's own account, which must not play anything.
"""

import ipaddress
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

LIMIT = 3
"""The limit of each created user, if the caller may set limits."""

MAX_LIMIT = 20
"""The highest limit that the checks fill, if the caller may not set limits."""

TIMEOUT_SECONDS = 30
"""API Gateway gives up after 29 seconds."""

MAX_TRIES = 3
MAX_WAIT_SECONDS = 15
"""The longest wait after an answer 429, before the next try."""


class Wrong(Exception):
    """The service does not keep its promise. The message says what was observed."""


class Skipped(Exception):
    """A check cannot run here. The message says why."""


def expect(is_as_promised: bool, observation: str) -> None:
    """Raise `Wrong` with the observation unless the promise holds."""
    if not is_as_promised:
        raise Wrong(observation)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 slot`, `2 slots`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def summary(answer: httpx.Response) -> str:
    """Return an answer as one short line."""
    return f"{answer.status_code} {answer.text[:160]}".strip()


@dataclass(kw_only=True)
class DeployedService:
    """A deployment at `url`.

    The calls carry the credentials of an operator (`api_key`) if given, else those of a
    viewer (`token`) if given, else none. `patience_seconds` is the longest wait for a
    lease to expire. `sleep` and `now` are the clock of this machine. `transport` sends
    the requests, by default over HTTP.

    `latencies` are milliseconds by kind of call, `failures` the answers 5xx, and
    `users` the users that the checks created.
    """

    url: str
    api_key: str | None = None
    token: str | None = None
    origin: str | None = None
    patience_seconds: float = 15
    at_once: int = 16
    slow_ms: float = 1000
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    transport: httpx.BaseTransport | None = None
    latencies: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    users: list["VerifiedUser"] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = httpx.Limits(
            max_connections=self.at_once,
            max_keepalive_connections=self.at_once,
        )
        self.client = httpx.Client(
            base_url=self.url,
            timeout=TIMEOUT_SECONDS,
            limits=limits,
            transport=self.transport,
        )

    @property
    def credentials(self) -> dict[str, str]:
        """The headers of the caller."""
        if self.api_key is not None:
            return {"X-API-Key": self.api_key}
        return self.viewer_credentials

    @property
    def viewer_credentials(self) -> dict[str, str]:
        """The headers of the viewer."""
        if self.token is None:
            return {}
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def is_viewer(self) -> bool:
        """Whether the checks use the viewer's account only."""
        return self.api_key is None and self.token is not None

    @property
    def may_be_open(self) -> bool:
        """Whether the service may accept calls without credentials.

        A local service is open to its machine until authentication is configured.
        """
        return _is_loopback(self.url) and not self.credentials

    def ask(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        credentials: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> httpx.Response:
        """Send a request and return its answer, timed as `verb`.

        After an answer 429, wait and try again. `body` are httpx's arguments.

        Raises:
            httpx.HTTPError: no answer arrived.
        """
        if credentials is None:
            credentials = self.credentials
        sent_headers = {**credentials, **(headers or {})}

        for _ in range(MAX_TRIES):
            answer = self._send(verb, method, path, headers=sent_headers, **body)
            if answer.status_code != 429:
                break
            retry_after = float(answer.headers.get("Retry-After", 1))
            self.sleep(min(MAX_WAIT_SECONDS, retry_after))
        return answer

    def ask_concurrently(
        self, calls: list[Callable[[], httpx.Response]]
    ) -> list[httpx.Response]:
        """Make all calls at the same moment and return the answers in their order."""
        barrier = threading.Barrier(len(calls))

        def wait_and_call(call: Callable[[], httpx.Response]) -> httpx.Response:
            barrier.wait(TIMEOUT_SECONDS)
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(wait_and_call, calls))

    def new_user(self) -> "VerifiedUser":
        """Return a user without streams: a created one, or the viewer's account."""
        random_name = f"verify-{secrets.token_hex(8)}"
        user = VerifiedUser(self, "/me" if self.is_viewer else f"/users/{random_name}")
        self.users.append(user)
        if self.is_viewer:
            user.end_all()
        else:
            user.set_limit()
        return user

    def clean_up(self) -> Iterator[str]:
        """Erase the created users, or end the streams if erasing is not allowed.

        Yields a line for each user that still has streams.
        """
        users = {user.path: user for user in self.users}
        for user in users.values():
            if not self._erase(user):
                user.end_all()
            active = user.listing()["active"]
            if active:
                yield f"{user.path} still holds {counted(active, 'slot')}"

    def _send(
        self, verb: str, method: str, path: str, **request: Any
    ) -> httpx.Response:
        began = time.monotonic()
        answer = self.client.request(method, path, **request)
        milliseconds = (time.monotonic() - began) * 1000

        self.latencies.setdefault(verb, []).append(milliseconds)
        if answer.status_code >= 500:
            self.failures.append(f"{method} {path}: {summary(answer)}")
        return answer

    def _erase(self, user: "VerifiedUser") -> bool:
        """Erase a user and return whether the caller may do that."""
        if self.is_viewer:
            return False
        return self.ask("forget", "DELETE", user.path).status_code != 403


@dataclass
class VerifiedUser:
    """A user of a deployment, who has no streams at first."""

    service: DeployedService
    path: str

    @property
    def streams(self) -> str:
        """The path of the user's streams."""
        return f"{self.path}/streams"

    def set_limit(self) -> None:
        """Set the user's limit if the caller may do that."""
        body = {"limit": LIMIT, "whenFull": "deny"}
        answer = self.service.ask("limit", "PUT", f"{self.path}/limit", json=body)
        is_set_or_forbidden = answer.status_code in (200, 403)
        expect(is_set_or_forbidden, f"setting a limit: {summary(answer)}")

    def limit(self) -> int:
        """Return the limit that applies.

        Raises:
            Skipped: the limit is too high, or a start evicts when it is full.
        """
        answer = self.service.ask("limit", "GET", f"{self.path}/limit")
        expect(answer.status_code == 200, f"reading the limit: {summary(answer)}")

        limit = int(answer.json()["limit"])
        when_full = answer.json()["whenFull"]
        if not 1 <= limit <= MAX_LIMIT or when_full != "deny":
            raise Skipped(
                f"the limit is {limit}, {when_full}; with streams:admin the check "
                f"would set a limit of {LIMIT}"
            )
        return limit

    def start(
        self,
        device: str | None,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        """Start a stream on a device and return the answer."""
        body: dict[str, Any] = {"streamId": "verify", **fields}
        if device is not None:
            body["deviceId"] = device
        return self.service.ask(
            "start", "POST", self.streams, headers=headers, json=body
        )

    def started(self, device: str, **fields: Any) -> dict[str, Any]:
        """Start a stream that must be admitted and return it."""
        answer = self.start(device, **fields)
        is_admitted = answer.status_code in (200, 201)
        expect(is_admitted, f"a start below the limit: {summary(answer)}")
        return dict(answer.json())

    def fill(self) -> list[dict[str, Any]]:
        """Start streams up to the limit and return them, oldest first."""
        return [self.started(f"device-{number}") for number in range(self.limit())]

    def renew(self, stream: Mapping[str, Any]) -> httpx.Response:
        """Send a heartbeat with the stream's token as the only credential."""
        return self._as_player("renew", stream, "heartbeat")

    def stop(self, stream: Mapping[str, Any]) -> httpx.Response:
        """Stop a stream as its player does."""
        return self._as_player("stop", stream, "stop")

    def end(self, id: str) -> httpx.Response:
        """End a stream without its token."""
        return self.service.ask("end", "DELETE", f"{self.streams}/{id}")

    def end_all(self) -> None:
        """End every stream of the user."""
        answer = self.service.ask("end", "DELETE", self.streams)
        expect(answer.status_code == 200, f"ending every stream: {summary(answer)}")

    def listing(self) -> dict[str, Any]:
        """Return the user's streams."""
        answer = self.service.ask("list", "GET", self.streams)
        expect(answer.status_code == 200, f"listing: {summary(answer)}")
        return dict(answer.json())

    def listed_ids(self) -> list[str]:
        """Return the ids of the user's streams."""
        return [stream["id"] for stream in self.listing()["streams"]]

    def _as_player(
        self, verb: str, stream: Mapping[str, Any], action: str
    ) -> httpx.Response:
        # `/me` addresses the caller, so it needs the caller's credentials.
        credentials: dict[str, str] | None = None if self.path == "/me" else {}
        return self.service.ask(
            verb,
            "POST",
            f"{self.streams}/{stream['id']}/{action}",
            credentials=credentials,
            json={"token": stream["token"]},
        )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    is_address = host[:1].isdigit()
    return is_address and ipaddress.ip_address(host).is_loopback
