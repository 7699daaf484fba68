"""A viewer: one user's calls to the API."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from streams import rules, service
from streams.rules import WhenFull
from tests.builders import asking


@dataclass
class Viewer:
    """One user's side of the API."""

    api: httpx.Client
    user_id: str

    @property
    def url(self) -> str:
        return f"/users/{self.user_id}/streams"

    def start(self, stream_id: str = "film", **fields: Any) -> httpx.Response:
        return self.api.post(self.url, json={"streamId": stream_id, **fields})

    def started(self, stream_id: str = "film", **fields: Any) -> dict[str, Any]:
        """Start a stream that must be admitted, and return the answer."""
        response = self.start(stream_id, **fields)
        assert response.status_code in (200, 201), response.text
        body: dict[str, Any] = response.json()
        return body

    def heartbeat(self, id: str, token: str) -> httpx.Response:
        return self.api.post(f"{self.url}/{id}/heartbeat", json={"token": token})

    def stop(self, id: str, token: str) -> httpx.Response:
        """Stop a stream as the player that holds the token."""
        return self.api.post(f"{self.url}/{id}/stop", json={"token": token})

    def end(self, id: str, epoch: int | None = None) -> httpx.Response:
        """End a stream without its token."""
        params = {} if epoch is None else {"epoch": epoch}
        return self.api.delete(f"{self.url}/{id}", params=params)

    def read(self, id: str) -> httpx.Response:
        return self.api.get(f"{self.url}/{id}")

    def list(self) -> dict[str, Any]:
        response = self.api.get(self.url)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def limit(self, limit: int, when_full: WhenFull = WhenFull.DENY) -> None:
        response = self.api.put(
            f"/users/{self.user_id}/limit",
            json={"limit": limit, "whenFull": when_full},
        )
        assert response.status_code == 200, response.text

    def crashed(self, id: str) -> rules.Lease:
        """Return a lease of this user that expired a second ago."""
        lease_ms = service.store.plans.default.lease_ms
        earlier = time.time_ns() // 1_000_000 - lease_ms - 1000
        return service.store.start(self.user_id, asking(id), now=earlier).lease
