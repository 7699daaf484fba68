"""Flussonic (21 and later): the authorisation backend of `on_play`.

Flussonic asks before a session plays, and again when the time in `X-AuthDuration` has
passed. 200 admits the session, 403 ends it at this request. Without an answer it keeps
the state of the session.

Option: `interval_seconds`, the time between two requests, by default 10.
"""

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

EVENTS = {
    "open_session": Event.START,
    "new_session": Event.START,
    "update_session": Event.PLAYING,
    "close_session": Event.STOPPED,
}
OWN_FIELDS = ("name", "token", "session_id", "request_type", "qs")
DEFAULT_INTERVAL_SECONDS = "10"


class Flussonic(Adapter):
    """Flussonic with an authorisation backend."""

    name = "flussonic"
    optional_options = frozenset({"interval_seconds"})

    @override
    def read(self, hook: Hook) -> Report:
        fields = self._fields(hook)
        event = EVENTS.get(fields["request_type"])
        if event is None:
            raise MalformedHook("the request type is not one of players")

        sent = Fields.of_query(fields["qs"]).pairs
        own = [("token", fields["token"])]
        needs_viewer = event is not Event.STOPPED
        return Report(
            event=event,
            key=fields["session_id"],
            stream_id=fields["name"],
            credential=self.viewer(*sent, *own) if needs_viewer else None,
            device=device_of(sent),
        )

    def _fields(self, hook: Hook) -> dict[str, str]:
        """Return the fields of a query or, for a POST, of a JSON object."""
        if hook.method == "POST":
            members = hook.json()
            return {name: members.text(name) for name in OWN_FIELDS}
        query = Fields.of_query(hook.query)
        return {name: query.one(name) for name in OWN_FIELDS}

    @override
    def reply(self, event: Event, verdict: Verdict) -> Reply:
        seconds = self.options.get("interval_seconds", DEFAULT_INTERVAL_SECONDS)
        headers = {"X-AuthDuration": seconds}
        return Reply(status=200 if verdict.is_allowed else 403, headers=headers)
