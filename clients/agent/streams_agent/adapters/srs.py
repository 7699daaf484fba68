"""SRS (5, 6): `http_hooks` with `on_play` and `on_stop`, and the HTTP API.

SRS sends JSON and reads a code: 0 admits the player. The answer must have the status
200 in either case.

Options: `api`, the URL of the HTTP API, such as "http://127.0.0.1:1985".
"""

from collections.abc import Collection
from typing import override

from streams_agent.credentials import device_of
from streams_agent.hooks import (
    Adapter,
    Event,
    Fields,
    Hook,
    MalformedHook,
    Reply,
    Report,
    Verdict,
)
from streams_agent.sessions import Session

EVENTS = {"on_play": Event.START, "on_stop": Event.STOPPED}
REFUSED = 403
MAX_CLIENTS = "100000"


class SRS(Adapter):
    """SRS with HTTP callbacks."""

    name = "srs"
    optional_options = frozenset({"api"})
    list_option = "api"

    @override
    def read(self, hook: Hook) -> Report:
        members = hook.json()
        event = EVENTS.get(members.text("action"))
        if event is None:
            raise MalformedHook("the action is not one of players")

        sent = Fields.of_query(members.text("param").removeprefix("?")).pairs
        return Report(
            event=event,
            key=members.text("client_id"),
            stream_id=members.text("stream"),
            credential=self.viewer(*sent) if event is Event.START else None,
            device=device_of(sent),
        )

    @override
    def reply(self, event: Event, verdict: Verdict) -> Reply:
        return Reply.of_json({"code": 0 if verdict.is_allowed else REFUSED})

    @override
    async def listed(self, sessions: Collection[Session]) -> set[str]:
        url = f"{self.options['api']}/api/v1/clients/"
        response = await self.http.get(url, params={"count": MAX_CLIENTS})
        response.raise_for_status()
        clients = response.json().get("clients", [])
        return {str(client.get("id", "")) for client in clients}

    @override
    async def kick(self, session: Session) -> None:
        if not self.lists:
            return
        client = session.key.partition("/")[2]
        await self.http.delete(f"{self.options['api']}/api/v1/clients/{client}")
