"""nginx with the RTMP module (1.2.2): `on_play`, `on_update`, `on_play_done`.

The module sends a form. The player's own query follows the module's fields, without
escapes, so a field of the module that occurs twice was repeated by the player. The
module closes a player at the first update that is not answered 2xx.

Options: `control`, the URL of `rtmp_control`, cuts players at once. `stat`, the URL of
`rtmp_stat`, lists them. Both answer for one worker process.
"""

from collections.abc import Collection
from typing import override
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

from streams_agent.credentials import device_of
from streams_agent.hooks import Adapter, Event, Fields, Hook, MalformedHook, Report
from streams_agent.sessions import Session

EVENTS = {
    "play": Event.START,
    "update_play": Event.PLAYING,
    "play_done": Event.STOPPED,
    "update_publish": Event.IGNORED,
}
OWN_FIELDS = ("app", "tcurl", "addr", "clientid", "call", "name")


class NginxRTMP(Adapter):
    """nginx with the RTMP module."""

    name = "nginx-rtmp"
    optional_options = frozenset({"control", "stat"})
    list_option = "stat"

    @override
    def read(self, hook: Hook) -> Report:
        form = hook.form()
        own = {name: form.one(name) for name in OWN_FIELDS}
        event = EVENTS.get(own["call"])
        if event is None:
            raise MalformedHook("the call is not one of players")
        if not own["clientid"].isdecimal():
            raise MalformedHook("clientid is not a number")

        sent = self._sent_by_player(form, own["tcurl"])
        needs_viewer = event in (Event.START, Event.PLAYING)
        return Report(
            event=event,
            key=own["clientid"],
            stream_id=own["name"],
            credential=self.viewer(*sent) if needs_viewer else None,
            device=device_of(sent),
            place={"app": own["app"], "name": own["name"]},
        )

    def _sent_by_player(self, form: Fields, tcurl: str) -> list[tuple[str, str]]:
        """Return the queries of the stream's name and of the connection's URL."""
        of_name = [pair for pair in form.pairs if pair[0] not in OWN_FIELDS]
        of_connection = Fields.of_query(_query_of(tcurl))
        return [*of_name, *of_connection.pairs]

    @override
    async def listed(self, sessions: Collection[Session]) -> set[str]:
        response = await self.http.get(self.options["stat"])
        response.raise_for_status()
        try:
            clients = fromstring(response.text).iter("client")
        except ParseError as exc:
            raise ValueError("the statistics are not XML") from exc
        return {client.findtext("id", "") for client in clients}

    @override
    async def kick(self, session: Session) -> None:
        if "control" not in self.options:
            return
        url = f"{self.options['control']}/drop/subscriber"
        params = {**session.place, "clientid": session.key.partition("/")[2]}
        await self.http.get(url, params=params)


def _query_of(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError as exc:
        raise MalformedHook("tcurl is not a URL") from exc
