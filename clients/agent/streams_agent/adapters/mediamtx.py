"""MediaMTX (1.9 and later): external authentication over HTTP, and the control API.

MediaMTX sends JSON before a reader plays. It does not say when a reader has stopped, so
the agent compares its sessions with the API's lists. The adapter serves RTMP, SRT, RTSP
and WebRTC. MediaMTX asks about each HLS request without an id of its reader: put
`auth_request` in front of HLS.

Options: `api`, the URL of the control API, such as "http://127.0.0.1:9997" (required).
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

LISTS = {
    "rtmp": "rtmpconns",
    "rtmps": "rtmpsconns",
    "rtsp": "rtspconns",
    "rtsps": "rtspsconns",
    "srt": "srtconns",
    "webrtc": "webrtcsessions",
}
"""The API's list of each protocol."""
SESSIONS = {"rtspconns": "rtspsessions", "rtspsconns": "rtspssessions"}
"""A reader of RTSP is cut by its session, which its connection names."""
PAGE = 1000


class MediaMTX(Adapter):
    """MediaMTX with external authentication."""

    name = "mediamtx"
    required_options = frozenset({"api"})
    list_option = "api"

    @override
    def read(self, hook: Hook) -> Report:
        members = hook.json()
        protocol = members.text("protocol")
        if members.text("action") != "read" or protocol not in LISTS:
            raise MalformedHook("the action or the protocol is not supported")

        sent = Fields.of_query(members.text("query")).pairs
        own = [("token", members.text("token")), ("token", members.text("password"))]
        if self.identifies_by_user:
            own = [("user", members.text("user"))]
        return Report(
            event=Event.START,
            key=members.text("id"),
            stream_id=members.text("path"),
            credential=self.viewer(*sent, *own),
            device=device_of(sent),
            place={"list": LISTS[protocol]},
        )

    @override
    def reply(self, event: Event, verdict: Verdict) -> Reply:
        # 401 makes an RTSP player send its credentials.
        return Reply(status=200 if verdict.is_allowed else 401)

    @override
    async def listed(self, sessions: Collection[Session]) -> set[str]:
        keys: set[str] = set()
        for name in {session.place["list"] for session in sessions}:
            keys |= (await self._readers(name)).keys()
        return keys

    async def _readers(self, name: str) -> dict[str, str]:
        """Return the ids in all pages of a list, each with its session, "" if none."""
        readers: dict[str, str] = {}
        page, pages = 0, 1
        while page < pages:
            response = await self.http.get(
                f"{self.options['api']}/v3/{name}/list",
                params={"page": page, "itemsPerPage": PAGE},
            )
            response.raise_for_status()
            content = response.json()
            for item in content["items"]:
                readers[str(item.get("id", ""))] = str(item.get("session") or "")
            page, pages = page + 1, int(content["pageCount"])
        return readers

    @override
    async def kick(self, session: Session) -> None:
        name, id = session.place["list"], session.key.partition("/")[2]
        if name in SESSIONS:
            id = (await self._readers(name)).get(id, "")
            name = SESSIONS[name]
        await self.http.post(f"{self.options['api']}/v3/{name}/kick/{id}")
