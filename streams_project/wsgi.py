"""The WSGI application, for Lambda and for any WSGI server."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from streams.dynamodb import deadline
from streams_project import requests
from streams_project.networks import as_edges_know_it, network_of
from streams_project.plans import look_at

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")

type Environ = dict[str, Any]
type Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

CHARSET = re.compile(r";\s*charset[\s*\d]*=([^;]*)", re.IGNORECASE)
MAX_CONTENT_TYPE_CHARACTERS = 256
TAKEN_BY_NO_VIEW = "application/octet-stream"
TO_ANSWER_SECONDS = 0.5
"""Kept of Lambda's time for the answer itself, the one that the store did not answer included."""


def bounded(application: Application) -> Application:
    """Keeps from Django what it would spend too much on, or fail at, before any middleware can refuse it.

    A body's type goes on without its parameters: Django looks up whatever codec they name, some cannot be looked up,
    and Python remembers each name for good. The type of a body that is not plain UTF-8 becomes one that no view takes,
    so that reading it is answered with 415. A path is cut where `streams.middleware` refuses it, and what is not ASCII
    in it, which no route or id takes, becomes `?`: decoding would take time that grows with the square of its length.
    """

    def checked(
        environ: Environ, start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        environ["CONTENT_TYPE"] = _type_of_body(environ)
        path: str = environ.get("PATH_INFO", "")[: settings.MAX_PATH_CHARACTERS + 1]
        environ["PATH_INFO"] = path.encode("ascii", "replace").decode()
        return application(environ, start_response)

    return checked


def within_deadline(application: Application) -> Application:
    """Starts the request's deadline, an earlier one where Lambda would end the request before, and what is counted of
    it."""

    def timed(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        context = environ.get("lambda.context")
        seconds = (
            context.get_remaining_time_in_millis() / 1000 - TO_ANSWER_SECONDS
            if context
            else None
        )
        with deadline.of_request(seconds=seconds), requests.AtHand(environ):
            return application(environ, start_response)

    return timed


def placed(application: Application) -> Application:
    """Says which network calls, where plans look at that. No header has a name like this one's."""

    def told(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["streams.network"] = network_of(environ)
        if settings.EDGE_TOKEN_KEYS and look_at(settings.PLANS, "network"):
            environ["streams.edge_network"] = as_edges_know_it(environ)
        return application(environ, start_response)

    return told if settings.PLANS_LOOK_AT_NETWORKS else application


def _type_of_body(environ: Environ) -> str:
    content_type: str = environ.get("CONTENT_TYPE", "")
    is_plain = (
        len(content_type) <= MAX_CONTENT_TYPE_CHARACTERS
        and environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() in ("", "identity")
        and all(
            charset.strip(" \t\"'").lower() in ("utf-8", "utf8")
            for charset in CHARSET.findall(content_type)
        )
    )
    return content_type.partition(";")[0].strip() if is_plain else TAKEN_BY_NO_VIEW


application = within_deadline(placed(bounded(get_wsgi_application())))
