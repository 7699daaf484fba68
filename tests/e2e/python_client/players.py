"""Players whose listeners are recorded, and a network that tests control."""

from collections.abc import Callable
from typing import Any

import httpx

from clients.python.streams_client import StreamClient


class Recorder:
    """Records the listeners that clients call, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    @property
    def names(self) -> list[str]:
        """The names of the recorded events."""
        return [name for name, *_ in self.events]

    def client(self, url: str, user_id: str | None, **options: Any) -> StreamClient:
        """Return a client that records, and that sends no heartbeats by itself."""
        return StreamClient(
            url,
            user_id,
            beats=False,
            on_ended=lambda *facts: self.events.append(("ended", *facts)),
            on_offline=lambda problem: self.events.append(("offline", problem["type"])),
            on_waiting=lambda problem, seconds: self.events.append(
                ("waiting", problem["type"], seconds)
            ),
            on_online=lambda: self.events.append(("online",)),
            on_grace=lambda is_grace: self.events.append(("grace", is_grace)),
            **options,
        )


class Network(httpx.HTTPTransport):
    """A network that can be cut or answer in place of the service.

    `before` runs before a request arrives, and `after` before its answer arrives.
    """

    is_cut = False
    answer: httpx.Response | None = None

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(f"{request.method} {request.url.raw_path.decode()}")
        self.before()
        if self.is_cut:
            raise httpx.ConnectError("cut")
        answer = self.answer or super().handle_request(request)
        self.after()
        return answer

    def client(self, **options: Any) -> httpx.Client:
        """Return an HTTP client on this network."""
        return httpx.Client(transport=self, **options)


def too_many_starts(*, retry_after: int) -> httpx.Response:
    """Return the answer to a user who starts streams too quickly."""
    return httpx.Response(
        429,
        json={"type": "too-many-starts"},
        headers={"Retry-After": str(retry_after)},
    )


def token_refused() -> httpx.Response:
    """Return the answer to a heartbeat with a token that the service cannot read."""
    problem = {"type": "invalid-request", "errors": {"token": ["not valid"]}}
    return httpx.Response(400, json=problem)
