"""The Lambda's entry point.

HTTP goes through apig-wsgi, operators' commands through `operations`, everything else
through Zappa: `zappa manage`, `zappa invoke`, schedules. The whole application is
loaded when this module is imported, so that Lambda's initialisation does it once, and a
SnapStart snapshot contains it.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import unquote

from apig_wsgi import make_lambda_handler
from zappa.handler import LambdaHandler

ZAPPA = LambdaHandler()
"""It sets the stage's variables and then loads the application."""

from django.conf import settings as django_settings  # noqa: E402

from streams import service  # noqa: E402
from streams.conf import settings  # noqa: E402
from streams.errors import StoreUnavailable  # noqa: E402
from streams.events import sink  # noqa: E402
from streams.models import UserStreams  # noqa: E402
from streams.rules import StartRequest  # noqa: E402
from streams.serializers import StartSerializer, serializer_of  # noqa: E402
from streams.wsgi import Application, Environ  # noqa: E402
from streams_project.wsgi import application  # noqa: E402

BACK_ENDS = "/back-end"
"""The path of the routes that require an API key of API Gateway."""
KINDS_OF_HEADERS = ("headers", "multiValueHeaders")

type Event = dict[str, Any]


def lambda_handler(event: Event, context: object) -> Any:
    """Answer an event.

    An HTTP event is one of a REST API, an HTTP API, a load balancer or a function
    URL, and its sender does not choose the names of the event's members. Only AWS
    identities that may invoke the function send other events.
    """
    request_context = event.get("requestContext") or {}
    if "httpMethod" in event or "http" in request_context:
        return _http({**event, **_unambiguous_headers(event)}, context)
    if "operation" in event:
        # Requests do not need this module, so they do not wait for its import.
        from streams_project import operations

        return operations.run(event["operation"])
    return LambdaHandler.lambda_handler(event, context)


def _unambiguous_headers(event: Event) -> Event:
    """Return the headers without those whose names contain an underscore.

    WSGI would give them the name of the header with the hyphen.
    """
    return {
        kind: {name: value for name, value in event[kind].items() if "_" not in name}
        for kind in KINDS_OF_HEADERS
        if "_" in "".join(event.get(kind) or ())
    }


def _mounted(application: Application) -> Application:
    """Add the mount path and the caller's address, in WSGI's encoding."""

    def mounted_application(
        environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        event: Event = environ["apig_wsgi.full_event"]
        context: Event = environ.get("apig_wsgi.request_context") or {}
        host = environ.get("HTTP_HOST", "")

        environ["SCRIPT_NAME"], environ["PATH_INFO"] = _place(event, context, host)
        environ["lambda.context"] = environ.get("apig_wsgi.context")
        # The event contains the whole body, however the client sent it.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        _set_address(environ, context)
        for name, value in environ.items():
            if isinstance(value, str) and not value.isascii():
                environ[name] = value.encode("utf-8", "replace").decode("latin-1")
        return application(environ, start_response)

    return mounted_application


def _set_address(environ: Environ, context: Event) -> None:
    """Set the caller's address as the load balancer or API Gateway reports it."""
    if "elb" in context:
        forwarded: str = environ.get("HTTP_X_FORWARDED_FOR", "")
        environ["REMOTE_ADDR"] = forwarded.rpartition(",")[2].strip()
        return

    identity = context.get("identity")
    if identity:
        environ["REMOTE_ADDR"] = identity.get("sourceIp") or ""


def _place(event: Event, context: Event, host: str) -> tuple[str, str]:
    """Return the path at which the service is mounted, and the rest of the path.

    | called through | the event's path |
    |---|---|
    | Amazon's name of a REST API | without the stage, which the client's path has |
    | Amazon's name of an HTTP API | with the stage, unless that is `$default` |
    | a custom domain | with the base path of its mapping |
    | a load balancer, a function URL | as the client sent it |
    """
    path = unquote(event.get("rawPath") or event["path"])
    mount, path = _mount(event, context, host, path)

    # API Gateway's routes of back ends with a key (deploy/consumers.py) are the
    # routes of everyone, one folder deeper.
    is_back_end_route = event.get("resource") == f"{BACK_ENDS}/{{proxy+}}"
    if is_back_end_route and _is_under(BACK_ENDS, path):
        return mount + BACK_ENDS, path.removeprefix(BACK_ENDS)
    return mount, path


def _mount(event: Event, context: Event, host: str, path: str) -> tuple[str, str]:
    base = ZAPPA.settings.BASE_PATH
    if base and _is_under(f"/{base}", path):
        return f"/{base}", path.removeprefix(f"/{base}")

    stage = context.get("stage", ZAPPA.settings.API_STAGE)
    if stage == "$default" or ".execute-api." not in host:
        return "", path

    is_http_api = "version" in event
    if is_http_api and _is_under(f"/{stage}", path):
        path = path.removeprefix(f"/{stage}")
    return f"/{stage}", path


def _is_under(prefix: str, path: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


# Binary support is for the images of pages.
_http = make_lambda_handler(
    _mounted(application), binary_support=settings.BROWSABLE_API
)


def _no_answer(operation: str, arguments: object) -> NoReturn:
    raise TimeoutError


def _warm_up() -> None:
    """Use everything once that the first request would be the first to use.

    That is routes, views, serializers, renderers and templates, signing, and the
    client of DynamoDB. No request reaches the store.
    """
    host = django_settings.ALLOWED_HOSTS[0].lstrip(".*")
    for accept in ("application/json", "text/html, */*;q=0.8"):
        headers = {"Host": host, "Accept": accept, "Content-Type": "application/json"}
        request = {"headers": headers, "requestContext": {}, "isBase64Encoded": False}
        heartbeat = {
            "path": "/users/warm-up/streams/warm-up/heartbeat",
            "body": '{"token": "not:one"}',
        }
        _http(request | {"httpMethod": "GET", "path": "/healthz"}, None)
        _http(request | {"httpMethod": "POST", **heartbeat}, None)

    assert UserStreams._get_connection().connection.client
    serializer_of(StartSerializer).run_validation({"streamId": "warm-up"})
    for path in settings.EVENT_SINKS:
        sink(path)

    start = StartRequest(id="warm-up", stream_id="warm-up", epoch=1, nonce="")
    with suppress(StoreUnavailable):
        replace(service.store, call=_no_answer).start("warm-up", start, now=0)


_warm_up()
