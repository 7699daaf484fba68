"""nginx's `auth_request`, Traefik's ForwardAuth and Envoy's ext_authz over HTTP.

The proxy asks before each request of a player: playlists, segments, or a long response.
Requests with the same credential for the same stream are one player. It plays while it
sends requests, and has stopped when they cease. A player that must be cut is refused at
its next request.

Option: `depth`, the number of parts at the end of a path that are not the stream, by
default 1: "/live/film/segment-1.ts" is of the stream "live/film".
"""

import hashlib
from typing import override
from urllib.parse import unquote, urlsplit

from streams_agent.credentials import USER_NAME, device_of
from streams_agent.hooks import Adapter, Event, Fields, Hook, MalformedHook, Report

URI_HEADERS = ("x-original-uri", "x-forwarded-uri")
"""The URL of the player's request, from nginx and Traefik. Envoy repeats its path."""
SESSION_NAME = "session"
"""A field of the URL that tells the players of one credential from each other."""
DEFAULT_DEPTH = "1"


class AuthRequest(Adapter):
    """A proxy that asks before each request."""

    name = "auth-request"
    optional_options = frozenset({"depth"})

    @override
    def read(self, hook: Hook) -> Report:
        path, query = self._request_of(hook)
        sent = Fields.of_query(query).pairs
        # The proxy names the user. A player could write one into its URL.
        of_player = [pair for pair in sent if pair[0] != USER_NAME]
        user = (USER_NAME, hook.headers.one("x-streams-user"))
        credential = self.viewer(*of_player, *_bearer(hook), user)

        depth = int(self.options.get("depth", DEFAULT_DEPTH))
        parts = [unquote(part) for part in path.split("/") if part]
        stream_id = "/".join(parts[: len(parts) - depth] or parts)

        device = device_of(sent)
        own_name = Fields(sent).one(SESSION_NAME)[:64]
        player = own_name or device.get("deviceId", "")
        identity = f"{credential.fingerprint}\n{player}\n{stream_id}"
        return Report(
            event=Event.PLAYING,
            key=hashlib.sha256(identity.encode(errors="replace")).hexdigest(),
            stream_id=stream_id,
            credential=credential,
            device=device,
        )

    def _request_of(self, hook: Hook) -> tuple[str, str]:
        """Return the path and the query of the player's request."""
        uris = [hook.headers.one(name) for name in URI_HEADERS]
        given = [uri for uri in uris if uri]
        if len(given) > 1:
            raise MalformedHook("the request has two URLs")
        if not given:
            return hook.path, hook.query
        try:
            parts = urlsplit(given[0])
        except ValueError as exc:
            raise MalformedHook("the URL of the request is not valid") from exc
        return parts.path, parts.query


def _bearer(hook: Hook) -> list[tuple[str, str]]:
    scheme, _, token = hook.headers.one("authorization").partition(" ")
    return [("token", token)] if scheme.lower() == "bearer" else []
