"""Who calls: an operator with users that are made up, or a viewer with an account that plays nothing."""

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
"""Of each made-up user, where the caller may set limits."""
HIGHEST_LIMIT = 20
"""That is tried out where it may not."""
ANSWERED_WITHIN_SECONDS = 30
"""API Gateway gives up after 29."""
WAITS_AT_MOST_SECONDS = 15
"""For a rate limit (429) to pass, and `TRIES` times."""
TRIES = 3


class Wrong(Exception):
    """What was found is not what is promised."""


class Skipped(Exception):
    """It cannot be tried here; says why."""


def expect(is_so: bool, found: str) -> None:
    """Raise `Wrong` with what was found, unless it is so."""
    if not is_so:
        raise Wrong(found)


@dataclass(kw_only=True)
class DeployedService:
    """A deployment at `url`, called with the credentials of an operator (`api_key`), else of a viewer (`token`), else
    with none. `patience_seconds` is how long a lease may take to end. `sleep` and `now` are the clock of this side."""

    url: str
    api_key: str | None = None
    token: str | None = None
    origin: str | None = None
    patience_seconds: float = 15
    at_once: int = 16
    slow_ms: float = 1000
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    latencies: dict[str, list[float]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    users: list["User"] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = httpx.Limits(
            max_connections=self.at_once, max_keepalive_connections=self.at_once
        )
        self.client = httpx.Client(
            base_url=self.url, timeout=ANSWERED_WITHIN_SECONDS, limits=limits
        )

    @property
    def credentials(self) -> dict[str, str]:
        """The headers of the caller."""
        if self.api_key is not None:
            return {"X-API-Key": self.api_key}
        return self.as_viewer

    @property
    def as_viewer(self) -> dict[str, str]:
        """The headers of the viewer."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}

    @property
    def is_viewer(self) -> bool:
        """Whether the one account is the viewer's own."""
        return self.api_key is None and self.token is not None

    @property
    def may_be_open(self) -> bool:
        """Whether it is a local one, which is open to its machine until an authentication is configured."""
        host = urlsplit(self.url).hostname or ""
        is_loopback = host == "localhost" or (
            host[:1].isdigit() and ipaddress.ip_address(host).is_loopback
        )
        return is_loopback and not self.credentials

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
        """One request and its answer, timed as `verb`. A rate limit is waited for. Raises `httpx.HTTPError`."""
        sent = {
            **(self.credentials if credentials is None else credentials),
            **(headers or {}),
        }
        for _ in range(TRIES):
            began = time.monotonic()
            answer = self.client.request(method, path, headers=sent, **body)
            self.latencies.setdefault(verb, []).append(
                (time.monotonic() - began) * 1000
            )
            if answer.status_code >= 500:
                self.failures.append(f"{method} {path}: {in_short(answer)}")
            if answer.status_code != 429:
                break
            self.sleep(
                min(WAITS_AT_MOST_SECONDS, float(answer.headers.get("Retry-After", 1)))
            )
        return answer

    def together(
        self, acts: list[Callable[[], httpx.Response]]
    ) -> list[httpx.Response]:
        """All of them at once; their answers in the same order."""
        barrier = threading.Barrier(len(acts))

        def act(one: Callable[[], httpx.Response]) -> httpx.Response:
            barrier.wait(ANSWERED_WITHIN_SECONDS)
            return one()

        with ThreadPoolExecutor(len(acts)) as pool:
            return list(pool.map(act, acts))

    def user(self) -> "User":
        """A user who plays nothing."""
        user = User(
            self, "/me" if self.is_viewer else f"/users/verify-{secrets.token_hex(8)}"
        )
        self.users.append(user)
        if self.is_viewer:
            user.clear()
        else:
            user.set_limit()
        return user

    def leave(self) -> Iterator[str]:
        """Drop everything that was made; yields what stays, by user."""
        for user in {user.path: user for user in self.users}.values():
            forgotten = (
                None if self.is_viewer else self.ask("forget", "DELETE", user.path)
            )
            if forgotten is None or forgotten.status_code == 403:
                user.clear()
            active = user.listing()["active"]
            if active:
                yield f"{user.path} still holds {active} slots"


@dataclass
class User:
    """One user of a deployment."""

    deployment: DeployedService
    path: str

    @property
    def streams(self) -> str:
        """Where the user's streams are."""
        return f"{self.path}/streams"

    def set_limit(self) -> None:
        """A limit of the user's own, where the caller may set one."""
        body = {"limit": LIMIT, "whenFull": "deny"}
        answer = self.deployment.ask("limit", "PUT", f"{self.path}/limit", json=body)
        expect(answer.status_code in (200, 403), f"setting a limit: {in_short(answer)}")

    def limit(self) -> int:
        """The limit that holds. Raises `Skipped` where it cannot be reached, or evicts instead of denying."""
        answer = self.deployment.ask("limit", "GET", f"{self.path}/limit")
        expect(answer.status_code == 200, f"reading the limit: {in_short(answer)}")
        limit, when_full = int(answer.json()["limit"]), answer.json()["whenFull"]
        if not 1 <= limit <= HIGHEST_LIMIT or when_full != "deny":
            raise Skipped(
                f"the limit is {limit}, {when_full}; with streams:admin it would set one of {LIMIT}"
            )
        return limit

    def start(self, device: str | None, **more: Any) -> httpx.Response:
        """Start a stream on a device."""
        headers = more.pop("headers", {})
        body = {
            "streamId": "verify",
            **({} if device is None else {"deviceId": device}),
            **more,
        }
        return self.deployment.ask(
            "start", "POST", self.streams, headers=headers, json=body
        )

    def started(self, device: str, **more: Any) -> dict[str, Any]:
        """A start that has to be admitted: its stream."""
        answer = self.start(device, **more)
        expect(
            answer.status_code in (200, 201),
            f"a start that there is room for: {in_short(answer)}",
        )
        return dict(answer.json())

    def fill(self) -> list[dict[str, Any]]:
        """Take every slot: their streams, oldest first."""
        return [self.started(f"device-{number}") for number in range(self.limit())]

    def renew(self, stream: Mapping[str, Any]) -> httpx.Response:
        """A heartbeat, with no credential but the token."""
        return self._as_player("renew", stream, "heartbeat")

    def stop(self, stream: Mapping[str, Any]) -> httpx.Response:
        """Its player's own stop."""
        return self._as_player("stop", stream, "stop")

    def _as_player(
        self, verb: str, stream: Mapping[str, Any], action: str
    ) -> httpx.Response:
        path, body = (
            f"{self.path}/streams/{stream['id']}/{action}",
            {"token": stream["token"]},
        )
        credentials: dict[str, str] | None = (
            None if self.path == "/me" else {}
        )  # /me is whoever calls
        return self.deployment.ask(
            verb, "POST", path, credentials=credentials, json=body
        )

    def end(self, id: str) -> httpx.Response:
        """Somebody else's stop."""
        return self.deployment.ask("end", "DELETE", f"{self.streams}/{id}")

    def clear(self) -> None:
        """End everything."""
        answer = self.deployment.ask("end", "DELETE", self.streams)
        expect(answer.status_code == 200, f"ending every stream: {in_short(answer)}")

    def listing(self) -> dict[str, Any]:
        """Who holds the slots."""
        answer = self.deployment.ask("list", "GET", self.streams)
        expect(answer.status_code == 200, f"listing: {in_short(answer)}")
        return dict(answer.json())


def in_short(answer: httpx.Response) -> str:
    """An answer in a line."""
    return f"{answer.status_code} {answer.text[:160]}".strip()
