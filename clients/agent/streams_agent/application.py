"""The HTTP server that the media server calls."""

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from aiohttp import web

from streams_agent.adapters import ADAPTERS
from streams_agent.configuration import Options
from streams_agent.hooks import Event, Fields, Hook, Verdict
from streams_agent.keeper import Keeper
from streams_agent.limiter import Limiter
from streams_agent.sessions import Sessions

log = logging.getLogger(__name__)

BACKLOG = 4096
"""Length of the queue of connections. Many players can connect at once."""
MAX_BODY_BYTES = 65_536
BODY_SECONDS = 0.2
SERVER_SECONDS = 2.0
"""Time-out of a call to a media server's API."""

type Handler = Callable[[web.Request], Awaitable[web.Response]]

KEEPER = web.AppKey("keeper", Keeper)


def application(options: Options) -> web.Application:
    """Return the application: one path per configured server, and a health check."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    prefix = "/{secret}" if options.hook_secret else ""
    app.router.add_get("/healthz", _health)
    for name in options.servers:
        app.router.add_route(
            "*", f"{prefix}/{name}{{rest:(/.*)?}}", _hook(name, options)
        )
    app.cleanup_ctx.append(lambda app: _running(app, options))
    return app


async def _running(app: web.Application, options: Options) -> AsyncIterator[None]:
    """Run the keeper while the application runs."""
    limiter = Limiter(options.limiter, api_key=options.api_key)
    sessions = Sessions(Path(options.state))
    async with httpx.AsyncClient(trust_env=False, timeout=SERVER_SECONDS) as http:
        adapters = {
            name: ADAPTERS[name]({**settings, "identify_by": options.identify_by}, http)
            for name, settings in options.servers.items()
        }
        keeper = Keeper(options, sessions=sessions, limiter=limiter, adapters=adapters)
        app[KEEPER] = keeper
        keeper.open()
        yield
        await keeper.close()
    await limiter.close()
    sessions.close()


def _hook(name: str, options: Options) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        secret = request.match_info.get("secret", "")
        expected = options.hook_secret or ""
        if not hmac.compare_digest(secret.encode(), expected.encode()):
            return web.Response(status=403)

        keeper = request.app[KEEPER]
        adapter = keeper.adapters[name]
        try:
            async with asyncio.timeout(BODY_SECONDS):
                hook = await _read(request)
            reply = await keeper.handle(adapter, hook)
        except (TimeoutError, web.HTTPRequestEntityTooLarge):
            reply = adapter.reply(Event.START, Verdict(False, "invalid-hook"))
        return web.Response(
            status=reply.status, headers=dict(reply.headers), body=reply.body
        )

    return handle


async def _read(request: web.Request) -> Hook:
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    return Hook(
        method=request.method,
        query=urlsplit(request.raw_path).query,
        path=request.match_info["rest"],
        headers=Fields(headers),
        body=await request.read(),
    )


async def _health(request: web.Request) -> web.Response:
    return web.json_response(
        {"status": "ok", "sessions": dict(request.app[KEEPER].counts)}
    )
