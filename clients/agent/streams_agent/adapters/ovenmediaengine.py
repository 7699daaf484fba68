"""OvenMediaEngine (0.16 and later): AdmissionWebhooks.

The server signs the body with HMAC-SHA1 in `X-OME-Signature`, base64 for URLs. It
sends `opening` before a player plays and `closing` afterwards, and reads whether the
player is allowed, and for how long. It has no call to cut one player, so the agent
bounds the lifetime of a connection: the player connects again, and is then refused.

Options: `secret`, the SecretKey of AdmissionWebhooks (required), and
`lifetime_seconds`, by default 300.
"""

import base64
import hashlib
import hmac
from typing import override
from urllib.parse import urlsplit

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

EVENTS = {"opening": Event.START, "closing": Event.STOPPED}
DEFAULT_LIFETIME_SECONDS = "300"


class OvenMediaEngine(Adapter):
    """OvenMediaEngine with AdmissionWebhooks."""

    name = "ovenmediaengine"
    required_options = frozenset({"secret"})
    optional_options = frozenset({"lifetime_seconds"})

    @override
    def read(self, hook: Hook) -> Report:
        self._check_signature(hook)
        members = hook.json()
        client, request = members.object("client"), members.object("request")
        event = EVENTS.get(request.text("status"))
        if event is None or request.text("direction") != "outgoing":
            raise MalformedHook("the request is not one of players")

        url = request.text("url")
        try:
            parts = urlsplit(url)
        except ValueError as exc:
            raise MalformedHook("url is not a URL") from exc

        sent = Fields.of_query(parts.query).pairs
        connection = f"{client.text('address')} {client.text('port')} {url}"
        return Report(
            event=event,
            key=hashlib.sha256(connection.encode(errors="replace")).hexdigest(),
            stream_id=_stream_of(parts.path),
            credential=self.viewer(*sent) if event is Event.START else None,
            device=device_of(sent),
        )

    def _check_signature(self, hook: Hook) -> None:
        key = self.options.get("secret", "").encode()
        digest = hmac.new(key, hook.body, hashlib.sha1).digest()
        expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
        received = hook.headers.one("x-ome-signature").rstrip("=")
        is_valid = hmac.compare_digest(expected, received.encode(errors="replace"))
        if not key or not is_valid:
            raise MalformedHook("the signature is wrong")

    @override
    def reply(self, event: Event, verdict: Verdict) -> Reply:
        if event is Event.STOPPED:
            return Reply.of_json({})
        if not verdict.is_allowed:
            return Reply.of_json({"allowed": False, "reason": verdict.reason})

        seconds = self.options.get("lifetime_seconds", DEFAULT_LIFETIME_SECONDS)
        return Reply.of_json({"allowed": True, "lifetime": int(seconds) * 1000})


def _stream_of(path: str) -> str:
    """Return the application and the stream, without a playlist's name."""
    return "/".join(path.removeprefix("/").split("/")[:2])
