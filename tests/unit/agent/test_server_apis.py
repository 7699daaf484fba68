"""The servers' APIs: the list of the players, and cutting one."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from streams_agent.adapters import ADAPTERS
from streams_agent.hooks import Adapter
from streams_agent.sessions import Session
from tests.servers import PROJECT

HOOKS_PAGE = (PROJECT / "docs" / "hooks.md").read_text()
EXAMPLES = PROJECT / "clients" / "agent" / "examples"
OPTIONS = {
    "nginx-rtmp": {"stat": "http://s/stat", "control": "http://s/control"},
    "icecast": {"admin": "http://s/admin", "admin_password": "p"},
    "srs": {"api": "http://s"},
    "mediamtx": {"api": "http://s"},
}
STATISTICS = (
    "<rtmp><server><application><live><stream>"
    "<client><id>7</id></client><client><id>9</id><publishing/></client>"
    "</stream></live></application></server></rtmp>"
)
LISTENERS = (
    '<icestats><source mount="/film"><Listeners>1</Listeners>'
    "<listener><IP>192.0.2.1</IP><ID>7</ID></listener></source></icestats>"
)


def page_of(*items: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"itemCount": len(items), "pageCount": 1, "items": items}


ANSWERS: Mapping[str, Mapping[str, httpx.Response]] = {
    "nginx-rtmp": {"/stat": httpx.Response(200, text=STATISTICS)},
    "icecast": {"/admin/listclients": httpx.Response(200, text=LISTENERS)},
    "srs": {"/api/v1/clients/": httpx.Response(200, json={"clients": [{"id": "7"}]})},
    "mediamtx": {
        "/v3/rtspconns/list": httpx.Response(
            200, json=page_of({"id": "7", "session": "s"}, {"id": "8"})
        ),
    },
}
CUTS = {
    "nginx-rtmp": "GET /control/drop/subscriber?app=live&name=film&clientid=7",
    "icecast": "GET /admin/killclient?mount=%2Ffilm&id=7",
    "srs": "DELETE /api/v1/clients/7",
    "mediamtx": "POST /v3/rtspsessions/kick/s",
}
PLACES = {
    "nginx-rtmp": {"app": "live", "name": "film"},
    "icecast": {"mount": "/film"},
    "srs": {},
    "mediamtx": {"list": "rtspconns"},
}


def session(name: str) -> Session:
    return Session(
        id="x",
        adapter=name,
        key=f"{name}/7",
        stream_id="film",
        user_id=None,
        fingerprint="",
        started_at=0,
        place=PLACES[name],
    )


def with_server(
    name: str, answer: Callable[[httpx.Request], httpx.Response]
) -> Adapter:
    """Return an adapter of a server that answers as the function does."""
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return ADAPTERS[name](OPTIONS[name], http)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_server_lists_its_players(name: str) -> None:
    server = with_server(name, lambda request: ANSWERS[name][request.url.path])
    assert server.lists
    assert "7" in asyncio.run(server.listed([session(name)]))


@pytest.mark.parametrize("name", OPTIONS)
def test_the_agent_cuts_a_player(name: str) -> None:
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(f"{request.method} {request.url.raw_path.decode()}")
        return ANSWERS[name].get(request.url.path, httpx.Response(200))

    asyncio.run(with_server(name, answer).kick(session(name)))
    assert requests[-1] == CUTS[name]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.Response(200, text="<html>")],
    ids=["an error", "a page"],
)
def test_an_answer_that_is_no_list_is_an_error(
    name: str, answer: httpx.Response
) -> None:
    server = with_server(name, lambda request: answer)
    with pytest.raises((httpx.HTTPError, ValueError)):
        asyncio.run(server.listed([session(name)]))


def test_a_mount_without_a_source_has_no_listeners() -> None:
    server = with_server("icecast", lambda request: httpx.Response(400))
    assert asyncio.run(server.listed([session("icecast")])) == set()


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_page_shows_the_examples(path: Any) -> None:
    assert path.read_text().strip() in HOOKS_PAGE


def test_the_page_lists_every_setting_and_adapter() -> None:
    from streams_agent.configuration import SECRETS, Options

    known = set(Options.__dataclass_fields__) - {*SECRETS, "servers"}
    for name in known | set(SECRETS.values()):
        assert f"| `{name}` |" in HOOKS_PAGE
    for adapter in ADAPTERS.values():
        assert f"/{adapter.name}" in HOOKS_PAGE
        for option in adapter.required_options | adapter.optional_options:
            assert f"`{option}" in HOOKS_PAGE
