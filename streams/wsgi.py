"""Wrappers of Django's WSGI application: deadline, network, and limits.

application = guarded(get_wsgi_application())
"""

import re
import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from streams import current_request
from streams.conf import settings
from streams.dynamodb import deadline
from streams.networks import edge_network_of, hashes_of
from streams.parsers import MAX_BODY_BYTES
from streams.plan_files import examine

type Environ = dict[str, Any]
type Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

CHARSET = re.compile(r";\s*charset[\s*\d]*=([^;]*)", re.IGNORECASE)
NO_ROUTE = "/*"
UTF_8 = ("utf-8", "utf8")
MAX_CONTENT_TYPE_CHARACTERS = 256
UNSUPPORTED_TYPE = "application/octet-stream"
TO_ANSWER_SECONDS = 0.5
"""Part of Lambda's time that is reserved for the answer itself."""


def guarded(application: Application) -> Application:
    """Return the application with its deadline, the caller's network, and limits."""
    return within_deadline(placed(bounded(application)))


def bounded(application: Application) -> Application:
    """Limit what Django would spend on a request before a middleware can refuse it.

    The parameters of a body's type are removed: Django looks up the codec that they
    name, some lookups fail, and Python keeps each name for ever. The type of a body
    that is not plain UTF-8 is replaced by one that no view accepts, so that the
    answer is 415. A path is cut where `streams.middleware` refuses it. Its characters
    outside ASCII, which no route or id accepts, become `?`: the time to decode them
    would grow with the square of the length.
    """

    def bounded_application(
        environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ:
            _measure_body(environ)
        environ["CONTENT_TYPE"] = _type_of_body(environ)
        path = _path(environ.get("PATH_INFO", ""))[: settings.MAX_PATH_CHARACTERS + 1]
        environ["PATH_INFO"] = path.encode("ascii", "replace").decode()
        return application(environ, start_response)

    return bounded_application


def within_deadline(application: Application) -> Application:
    """Start the deadline of each request, and the count of its calls.

    On Lambda the deadline is earlier if the function would end before it. A server
    that reads requests itself can state when this one was complete.
    """

    def timed_application(
        environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        with (
            deadline.of_request(seconds=_seconds_left(environ)),
            current_request.CurrentRequest(environ),
        ):
            return application(environ, start_response)

    return timed_application


def placed(application: Application) -> Application:
    """Add the caller's network to each request, if a plan examines it.

    The names of the keys cannot be those of headers.
    """

    def placed_application(
        environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        edge_network = edge_network_of(environ)
        network, *aliases = hashes_of(edge_network)
        environ["streams.network"] = network
        environ["streams.network_aliases"] = tuple(aliases)
        is_judged = examine(settings.PLANS, "network")
        environ["streams.edge_network"] = edge_network if is_judged else None
        return application(environ, start_response)

    return placed_application if settings.PLANS_LOOK_AT_NETWORKS else application


def _seconds_left(environ: Environ) -> float | None:
    """Return the time that the server leaves for the answer, or None if all of it."""
    context = environ.get("lambda.context")
    if context:
        remaining_ms: int = context.get_remaining_time_in_millis()
        return remaining_ms / 1000 - TO_ANSWER_SECONDS

    received_at: float | None = environ.get("streams.received_at")
    if received_at is None:
        return None
    waited_seconds = time.monotonic() - received_at
    return float(settings.DEADLINE_SECONDS) - waited_seconds


def _measure_body(environ: Environ) -> None:
    """Read a body of unknown length, if the server gives it an end.

    Otherwise the header remains, and the views answer 411.
    """
    is_ambiguous = "CONTENT_LENGTH" in environ and environ["CONTENT_LENGTH"] != ""
    if is_ambiguous or not environ.get("wsgi.input_terminated"):
        return

    body = environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    del environ["HTTP_TRANSFER_ENCODING"]


def _path(target: str) -> str:
    """Return the path of a request target, or a path that matches no route.

    The other forms of RFC 9112 (`http://host/path`, `host:port`, `*`) would get
    Django's HTML page. No client of this service needs them.
    """
    has_path_form = not target or target.startswith("/")
    return target if has_path_form else NO_ROUTE


def _type_of_body(environ: Environ) -> str:
    content_type: str = environ.get("CONTENT_TYPE", "")
    encoding: str = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()

    is_short = len(content_type) <= MAX_CONTENT_TYPE_CHARACTERS
    is_plain = encoding in ("", "identity")
    if not is_short or not is_plain:
        return UNSUPPORTED_TYPE

    for charset in CHARSET.findall(content_type):
        if charset.strip(" \t\"'").lower() not in UTF_8:
            return UNSUPPORTED_TYPE
    return content_type.partition(";")[0].strip()
