"""Icecast (2.4.4): URL authentication of listeners, and the admin API.

Icecast sends a form with `listener_add` before a listener plays, and `listener_remove`
afterwards. The mount contains the listener's query. The listener may also send its
ticket as the password of HTTP basic authentication.

Options: `admin`, the URL of the admin API, `admin_user` and `admin_password`.
"""

from collections.abc import Collection
from typing import override
from xml.etree.ElementTree import ParseError

from defusedxml.ElementTree import fromstring

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

EVENTS = {"listener_add": Event.START, "listener_remove": Event.STOPPED}
ALLOWED = {"icecast-auth-user": "1"}
"""The default of Icecast's `auth_header`."""
NO_SUCH_MOUNT = (400, 404)


class Icecast(Adapter):
    """Icecast with URL authentication."""

    name = "icecast"
    optional_options = frozenset({"admin", "admin_password", "admin_user"})
    list_option = "admin"

    @override
    def read(self, hook: Hook) -> Report:
        form = hook.form()
        event = EVENTS.get(form.one("action"))
        if event is None:
            raise MalformedHook("the action is not one of listeners")

        client, (mount, _, query) = form.one("client"), form.one("mount").partition("?")
        if not client.isdecimal():
            raise MalformedHook("client is not a number")

        sent = Fields.of_query(query).pairs
        basic = [("token", form.one("pass")), ("user", form.one("user"))]
        if not self.identifies_by_user:
            basic = basic[:1]
        return Report(
            event=event,
            key=client,
            stream_id=mount.removeprefix("/"),
            credential=self.viewer(*sent, *basic) if event is Event.START else None,
            device=device_of(sent),
            place={"mount": mount},
        )

    @override
    def reply(self, event: Event, verdict: Verdict) -> Reply:
        if verdict.is_allowed:
            return Reply(headers=ALLOWED)
        return Reply(status=403, headers={"icecast-auth-message": verdict.reason})

    @override
    async def listed(self, sessions: Collection[Session]) -> set[str]:
        keys: set[str] = set()
        for mount in {session.place["mount"] for session in sessions}:
            keys |= await self._listeners(mount)
        return keys

    async def _listeners(self, mount: str) -> set[str]:
        url = f"{self.options['admin']}/listclients"
        response = await self.http.get(url, params={"mount": mount}, auth=self._auth)
        if response.status_code in NO_SUCH_MOUNT:  # its source has gone
            return set()
        response.raise_for_status()
        try:
            listeners = fromstring(response.text).iter("listener")
        except ParseError as exc:
            raise ValueError("the list is not XML") from exc
        return {listener.findtext("ID", "") for listener in listeners}

    @override
    async def kick(self, session: Session) -> None:
        if not self.lists:
            return
        url = f"{self.options['admin']}/killclient"
        params = {**session.place, "id": session.key.partition("/")[2]}
        await self.http.get(url, params=params, auth=self._auth)

    @property
    def _auth(self) -> tuple[str, str]:
        user = self.options.get("admin_user", "admin")
        return user, self.options.get("admin_password", "")
