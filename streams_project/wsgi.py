"""The WSGI application, for Zappa and for any WSGI server."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from streams.storage import deadline

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

UTF_8 = re.compile(r"""[^;]*(;\s*charset\s*=\s*"?utf-?8"?\s*)?""", re.IGNORECASE)
IN_ANOTHER_CHARSET = "application/octet-stream"
"""A type of body that no view takes."""
TO_ANSWER_SECONDS = 0.5
"""Kept of Lambda's time for the answer itself, the one that the store did not answer included."""


def utf_8_only(application: Application) -> Application:
    """Hides a body's charset from Django unless it is UTF-8, so that the answer is 415. Django would look up whatever
    codec is named, before any middleware: some cannot be looked up, and Python remembers each name for good."""

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not UTF_8.fullmatch(environ.get("CONTENT_TYPE", "")):
            environ["CONTENT_TYPE"] = IN_ANOTHER_CHARSET
        return application(environ, start_response)

    return checked


def within_deadline(application: Application) -> Application:
    """Starts the request's deadline, an earlier one where Lambda would end the request before."""

    def bounded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        context = environ.get("lambda.context")
        seconds = context.get_remaining_time_in_millis() / 1000 - TO_ANSWER_SECONDS if context else None
        with deadline.of_request(seconds=seconds):
            return application(environ, start_response)

    return bounded


application = within_deadline(utf_8_only(get_wsgi_application()))
