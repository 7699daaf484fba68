"""The hooks of each media server, as recorded or documented."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from streams_agent.adapters import ADAPTERS
from streams_agent.credentials import Credential, InvalidCredential
from streams_agent.hooks import Adapter, Event, Fields, Hook, MalformedHook, Verdict
from tests.unit.agent.desk import HTTP

TICKET = "tk_WyJhbmEi.c2ln"
OTHER = "tk_WyJib2Ii.c2ln"
SECRET = "a secret of admission webhooks"
VIEWER = Credential(token=TICKET)
ALLOWED, REFUSED = Verdict(True), Verdict(False, "stream-limit-reached")


def adapter(name: str, **options: str) -> Adapter:
    return ADAPTERS[name]({"secret": SECRET, **options}, HTTP)


def form(**fields: Any) -> Hook:
    return Hook(body=urlencode(fields).encode())


def of_json(content: Any, **headers: str) -> Hook:
    body = json.dumps(content).encode()
    return Hook(body=body, headers=Fields(headers.items()))


def nginx(call: str = "play", **fields: Any) -> Hook:
    own = {
        "app": "live",
        "tcurl": "rtmp://h/live",
        "addr": "192.0.2.1",
    }
    return form(**own, clientid=7, call=call, name="film", **fields)


def icecast(action: str = "listener_add", **fields: Any) -> Hook:
    own = {
        "server": "h",
        "port": 8000,
        "client": 7,
        "user": "",
        "pass": "",
        "mount": f"/film?ticket={TICKET}",
    }
    return form(action=action, **own | fields)


def srs(action: str = "on_play", **members: Any) -> Hook:
    own = {
        "action": action,
        "client_id": "7",
        "app": "live",
        "stream": "film",
        "param": f"?ticket={TICKET}",
    }
    return of_json(own | members)


def ovenmediaengine(
    status: str = "opening", *, url: str = f"wss://h/live/film?ticket={TICKET}"
) -> Hook:
    client = {"address": "192.0.2.1", "port": 7}
    request = {
        "direction": "outgoing",
        "status": status,
        "url": url,
    }
    hook = of_json({"client": client, "request": request})
    return signed(hook, SECRET)


def signed(hook: Hook, secret: str) -> Hook:
    digest = hmac.new(secret.encode(), hook.body, hashlib.sha1).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return Hook(body=hook.body, headers=Fields([("x-ome-signature", signature)]))


def mediamtx(**members: Any) -> Hook:
    own = {
        "action": "read",
        "protocol": "rtmp",
        "id": "7",
        "path": "film",
        "query": f"ticket={TICKET}",
    }
    return of_json(own | members)


def flussonic(request_type: str = "open_session", **fields: Any) -> Hook:
    own = {
        "request_type": request_type,
        "session_id": "7",
        "name": "film",
        "token": TICKET,
    }
    return Hook(method="GET", query=urlencode(own | fields))


def auth_request(uri: str = f"/film/1.ts?ticket={TICKET}", **headers: str) -> Hook:
    pairs = [("x-original-uri", uri), *headers.items()]
    return Hook(method="GET", headers=Fields(pairs))


STARTS: Mapping[str, Hook] = {
    "nginx-rtmp": nginx(ticket=TICKET),
    "icecast": icecast(),
    "srs": srs(),
    "ovenmediaengine": ovenmediaengine(),
    "mediamtx": mediamtx(),
    "flussonic": flussonic(),
    "auth-request": auth_request(),
}
ENDS = {
    "nginx-rtmp": nginx("play_done", ticket=TICKET),
    "icecast": icecast("listener_remove"),
    "srs": srs("on_stop"),
    "ovenmediaengine": ovenmediaengine("closing"),
    "flussonic": flussonic("close_session"),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_start_names_the_stream_and_the_viewer(name: str) -> None:
    report = adapter(name).read(STARTS[name])
    report.check()
    assert report.event in (Event.START, Event.PLAYING)
    assert report.stream_id.removeprefix("live/") == "film"
    assert report.credential == VIEWER


@pytest.mark.parametrize("name", ENDS)
def test_an_end_has_the_key_of_its_start(name: str) -> None:
    server = adapter(name)
    end = server.read(ENDS[name])
    end.check()
    assert end.event is Event.STOPPED
    assert end.key == server.read(STARTS[name]).key


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        (
            "nginx-rtmp",
            nginx(ticket=TICKET, token=OTHER),
        ),
        (
            "nginx-rtmp",
            nginx(ticket=TICKET, access_token=OTHER),
        ),
        (
            "icecast",
            icecast(**{"pass": OTHER}),
        ),
        (
            "icecast",
            icecast(mount=f"/film?ticket={TICKET}&ticket={OTHER}"),
        ),
        (
            "srs",
            srs(param=f"?ticket={TICKET}&token={OTHER}"),
        ),
        (
            "ovenmediaengine",
            ovenmediaengine(url=f"wss://h/a/b?ticket={TICKET}&ticket={OTHER}"),
        ),
        (
            "mediamtx",
            mediamtx(token=OTHER),
        ),
        (
            "flussonic",
            flussonic(qs=f"ticket={OTHER}"),
        ),
        (
            "auth-request",
            auth_request(authorization=f"Bearer {OTHER}"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "hook",
)
def test_two_tokens_are_refused(name: str, hook: Hook) -> None:
    with pytest.raises(InvalidCredential):
        adapter(name).read(hook)


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        (
            "nginx-rtmp",
            Hook(body=nginx(user="ana").body + b"&user=bob"),
        ),
        (
            "icecast",
            icecast(mount="/film?user=ana", user="bob"),
        ),
        (
            "srs",
            srs(param="?user=ana&user=bob"),
        ),
        (
            "ovenmediaengine",
            ovenmediaengine(url="wss://h/a/b?user=ana&user=bob"),
        ),
        (
            "mediamtx",
            mediamtx(query="user=ana", user="bob"),
        ),
        (
            "flussonic",
            flussonic(token="", qs="user=ana&user=bob"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "hook",
)
def test_two_users_are_refused(name: str, hook: Hook) -> None:
    with pytest.raises(InvalidCredential):
        adapter(name, identify_by="user").read(hook)


def test_a_user_is_accepted_only_if_the_operator_chose_so() -> None:
    hook = srs(param="?user=ana")
    with pytest.raises(InvalidCredential):
        adapter("srs").read(hook)
    report = adapter("srs", identify_by="user").read(hook)
    assert report.credential == Credential(user_id="ana")


def test_a_player_cannot_name_the_user_of_a_proxy() -> None:
    server = adapter("auth-request", identify_by="user")
    with pytest.raises(InvalidCredential):
        server.read(auth_request("/film/1.ts?user=ana"))

    hook = auth_request("/film/1.ts?user=ana", **{"x-streams-user": "bob"})
    assert server.read(hook).credential == Credential(user_id="bob")


@pytest.mark.parametrize("secret", ["", "another"], ids=["no secret", "another"])
def test_a_wrong_signature_is_refused(secret: str) -> None:
    hook = ovenmediaengine()
    with pytest.raises(MalformedHook):
        adapter("ovenmediaengine").read(signed(hook, secret))
    with pytest.raises(MalformedHook):
        adapter("ovenmediaengine", secret="").read(signed(hook, ""))
    with pytest.raises(MalformedHook):
        adapter("ovenmediaengine").read(Hook(body=hook.body))


@pytest.mark.parametrize("field", ["clientid=9", "call=play_done", "name=x", "app=x"])
def test_a_player_of_nginx_cannot_speak_for_the_server(field: str) -> None:
    hook = Hook(body=nginx(ticket=TICKET).body + f"&{field}".encode())
    with pytest.raises(MalformedHook):
        adapter("nginx-rtmp").read(hook)


def test_an_update_about_a_publisher_is_ignored() -> None:
    report = adapter("nginx-rtmp").read(nginx("update_publish"))
    assert report.event is Event.IGNORED


def test_requests_of_one_player_have_one_key() -> None:
    server = adapter("auth-request")
    uris = [f"/film/{name}?ticket={TICKET}" for name in ("a.m3u8", "1.ts", "2.ts")]
    keys = {server.read(auth_request(uri)).key for uri in uris}
    assert len(keys) == 1

    others = [
        f"/news/1.ts?ticket={TICKET}",
        f"/film/1.ts?ticket={OTHER}",
        f"/film/1.ts?ticket={TICKET}&session=2",
        f"/film/1.ts?ticket={TICKET}&deviceId=tv",
    ]
    assert not keys & {server.read(auth_request(uri)).key for uri in others}


REPLIES: Mapping[str, tuple[Any, Any]] = {
    "nginx-rtmp": ((200, b""), (403, b"")),
    "icecast": ((200, b""), (403, b"")),
    "srs": ((200, b'{"code": 0}'), (200, b'{"code": 403}')),
    "ovenmediaengine": (
        (200, b'{"allowed": true, "lifetime": 300000}'),
        (200, b'{"allowed": false, "reason": "stream-limit-reached"}'),
    ),
    "mediamtx": ((200, b""), (401, b"")),
    "flussonic": ((200, b""), (403, b"")),
    "auth-request": ((200, b""), (403, b"")),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_reply_has_the_form_that_the_server_expects(name: str) -> None:
    server = adapter(name)
    replies = [server.reply(Event.START, verdict) for verdict in (ALLOWED, REFUSED)]
    assert [(reply.status, reply.body) for reply in replies] == [*REPLIES[name]]


def test_icecast_needs_a_header_to_admit_a_listener() -> None:
    server = adapter("icecast")
    assert server.reply(Event.START, ALLOWED).headers == {"icecast-auth-user": "1"}
    assert "icecast-auth-user" not in server.reply(Event.START, REFUSED).headers


def test_the_device_is_described_by_the_url() -> None:
    hook = srs(param=f"?ticket={TICKET}&deviceType=tv&deviceId=box-1&deviceName=%00")
    assert adapter("srs").read(hook).device == {"deviceType": "tv", "deviceId": "box-1"}
