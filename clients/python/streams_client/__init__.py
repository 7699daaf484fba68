"""Keeps one player within its user's stream limit: starts, heartbeats, stops.

    client = StreamClient(url, "123", headers=credentials, on_ended=player.halt)
    try:
        client.start("456", deviceId="tv", title="News")
    except Denied as denied:
        chosen = choose_from(denied.holders)
        client.start("456", deviceId="tv", replace=[chosen])
    …
    client.stop()

A client is one player. The next start, such as the next episode, keeps its slot, and
the last start is the one that plays. A thread sends the heartbeats as often as the
service asks for them. `AsyncStreamClient` is the same for asyncio.

A problem has the fields of the service's answer (RFC 9457). When the service did not
answer, or a proxy answered in its place, it is `{"type": "network-error", "detail"}`.
"""

from .aio import AsyncStreamClient
from .client import StreamClient
from .errors import Denied, Refused, Superseded, Unavailable

__all__ = [
    "AsyncStreamClient",
    "Denied",
    "Refused",
    "StreamClient",
    "Superseded",
    "Unavailable",
]
