"""The calls to the limiter, for one session each."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from streams_agent.sessions import Session
from streams_client.answers import Answer, no_answer, read
from streams_client.connections import connection_options
from streams_client.playback import streams_url

CALL_SECONDS = 9.0
"""The service answers within 8 seconds."""
MAX_CONNECTIONS = 200
ENDED_TYPES = ("stream-ended", "stream-not-found")


class Limiter:
    """The stream-limit service. Without an API key it serves viewers' tokens only."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        self._url = url
        self._api_key = api_key
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS
        )
        options = connection_options(url) | {"timeout": CALL_SECONDS, "limits": limits}
        self._http = httpx.AsyncClient(**options)

    async def start(self, session: Session) -> Answer:
        """Start the session's stream. A repeat has the same id, so it has one slot."""
        body = {"streamId": session.stream_id, **session.device}
        return await self._send("PUT", session, "", body, self._credentials(session))

    async def renew(self, session: Session) -> Answer:
        """Send a heartbeat."""
        return await self._send("POST", session, "/heartbeat", {"token": session.token})

    async def stop(self, session: Session) -> Answer:
        """Stop the stream with its token."""
        return await self._send("POST", session, "/stop", {"token": session.token})

    async def end(self, session: Session) -> Answer:
        """End the stream without its token, with the credential of its start."""
        credentials = self._credentials(session)
        return await self._send("DELETE", session, "", None, credentials)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _credentials(self, session: Session) -> Mapping[str, str]:
        if session.credential is not None:
            return {"Authorization": f"Bearer {session.credential}"}
        return {"X-API-Key": self._api_key} if self._api_key else {}

    async def _send(
        self,
        method: str,
        session: Session,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a call. A failure is an answer that allows a repeat."""
        url = f"{streams_url(self._url, session.user_id)}/{quote(session.id)}{path}"
        try:
            response = await self._http.request(
                method, url, json=body, headers=headers, follow_redirects=False
            )
            return read(response)
        except httpx.HTTPError as error:
            return no_answer(error)


def is_over(answer: Answer) -> bool:
    """Return whether the service itself says that the stream is over.

    Another 404, such as that of a proxy without a route, says nothing about a stream.
    """
    return answer.status in (404, 410) and answer.body.get("type") in ENDED_TYPES


def is_refusal(answer: Answer) -> bool:
    """Return whether the service itself refused a start.

    429 asks to wait, so the player may try again and does not start now.
    """
    is_of_service = answer.body.get("type") != "network-error"
    return is_of_service and bool(answer.is_refusal or answer.is_busy)
