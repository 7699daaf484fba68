"""The Lambda's entry point: apig-wsgi for HTTP, Zappa for the rest (`zappa manage`, `zappa invoke`, schedules).

The whole application is loaded when this module is imported, so that Lambda's initialisation does it once, and a
SnapStart snapshot holds it."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import unquote

from apig_wsgi import make_lambda_handler
from zappa.handler import LambdaHandler

ZAPPA = LambdaHandler()
"""It puts the stage's variables into the environment and loads the application, in this order."""

from django.conf import settings  # noqa: E402

from streams import service  # noqa: E402
from streams.errors import StoreUnavailable  # noqa: E402
from streams.events import sink  # noqa: E402
from streams.models import UserStreams  # noqa: E402
from streams.rules import StartRequest  # noqa: E402
from streams.serializers import StartSerializer  # noqa: E402
from streams.views import serializer_of  # noqa: E402
from streams_project.wsgi import Application, Environ, application  # noqa: E402

BACK_ENDS = "/back-end"

type Event = dict[str, Any]


def lambda_handler(event: Event, context: object) -> Any:
    """Answer one event: of a REST API, an HTTP API, a load balancer or a function URL, or whatever else Zappa takes."""
    if "httpMethod" in event or "http" in (event.get("requestContext") or {}):
        return _http({**event, **_unambiguous_headers(event)}, context)
    return LambdaHandler.lambda_handler(event, context)


def _unambiguous_headers(event: Event) -> Event:
    """The headers without those whose names hold an underscore: WSGI has them under the name with the hyphen."""
    return {
        kind: {name: value for name, value in event[kind].items() if "_" not in name}
        for kind in ("headers", "multiValueHeaders")
        if "_" in "".join(event.get(kind) or ())
    }


def _mounted(application: Application) -> Application:
    """Says where in the request's path the service is mounted, who sent it, and everything in WSGI's own encoding."""

    def mounted(
        environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        event, context = (
            environ["apig_wsgi.full_event"],
            environ.get("apig_wsgi.request_context") or {},
        )
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = _place(
            event, context, environ.get("HTTP_HOST", "")
        )
        environ["lambda.context"] = environ.get("apig_wsgi.context")
        if "elb" in context:
            environ["REMOTE_ADDR"] = (
                environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
            )
        elif identity := context.get("identity"):
            environ["REMOTE_ADDR"] = identity.get("sourceIp", "")
        for name, value in environ.items():
            if isinstance(value, str) and not value.isascii():
                environ[name] = value.encode("utf-8", "replace").decode("latin-1")
        return application(environ, start_response)

    return mounted


def _place(event: Event, context: Event, host: str) -> tuple[str, str]:
    """The path that the service is mounted at, and what follows.

    | called through | the event's path |
    |---|---|
    | Amazon's own name of a REST API | without the stage, which the client's has |
    | Amazon's own name of an HTTP API | with the stage, unless that is `$default` |
    | a domain of one's own | with the base path that it is mapped at |
    | a load balancer, a function URL | as the client sent it |
    """
    path = unquote(event.get("rawPath") or event["path"])
    mount, path = _mount(event, context, host, path)
    # API Gateway's own routes of back ends with a key (deploy/consumers.py): the same as everyone's, one folder deeper.
    if event.get("resource") == f"{BACK_ENDS}/{{proxy+}}" and _is_under(
        BACK_ENDS, path
    ):
        return mount + BACK_ENDS, path.removeprefix(BACK_ENDS)
    return mount, path


def _mount(event: Event, context: Event, host: str, path: str) -> tuple[str, str]:
    base, stage = (
        ZAPPA.settings.BASE_PATH,
        context.get("stage", ZAPPA.settings.API_STAGE),
    )
    if base and _is_under(f"/{base}", path):
        return f"/{base}", path.removeprefix(f"/{base}")
    if stage == "$default" or ".execute-api." not in host:
        return "", path
    of_http_api = "version" in event
    return f"/{stage}", path.removeprefix(f"/{stage}") if of_http_api and _is_under(
        f"/{stage}", path
    ) else path


def _is_under(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


_http = make_lambda_handler(
    _mounted(application), binary_support=settings.BROWSABLE_API
)  # the pages' images


def _unreached(operation: str, arguments: object) -> NoReturn:
    raise TimeoutError


def _warm_up() -> None:
    """Use once what the first request would be first to use: routes, views, serializers, renderers and templates,
    signing, the client of DynamoDB. Neither request gets as far as the store."""
    host = settings.ALLOWED_HOSTS[0].lstrip(".*")
    for accept in ("application/json", "text/html, */*;q=0.8"):
        headers = {"Host": host, "Accept": accept, "Content-Type": "application/json"}
        request = {"headers": headers, "requestContext": {}, "isBase64Encoded": False}
        _http(request | {"httpMethod": "GET", "path": "/healthz"}, None)
        heartbeat = {
            "path": "/users/warm-up/streams/warm-up/heartbeat",
            "body": '{"token": "not:one"}',
        }
        _http(request | {"httpMethod": "POST", **heartbeat}, None)
    _ = UserStreams._get_connection().connection.client
    serializer_of(StartSerializer).run_validation({"streamId": "warm-up"})
    for path in settings.EVENT_SINKS:
        sink(path)
    start = StartRequest(id="warm-up", stream_id="warm-up", epoch=1, nonce="")
    with suppress(StoreUnavailable):
        replace(service.store, call=_unreached).start("warm-up", start, now=0)


_warm_up()
