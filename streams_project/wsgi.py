"""The WSGI application, for Zappa and for any WSGI server."""

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")

type Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

UTF_8 = re.compile(r"""[^;]*(;\s*charset\s*=\s*"?utf-?8"?\s*)?""", re.IGNORECASE)
IN_ANOTHER_CHARSET = "application/octet-stream"
"""A type of body that no view takes."""


def utf_8_only(application: Application) -> Application:
    """Hides a body's charset from Django unless it is UTF-8, so that the answer is 415. Django would look up whatever
    codec is named, before any middleware: some cannot be looked up, and Python remembers each name for good."""

    def checked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not UTF_8.fullmatch(environ.get("CONTENT_TYPE", "")):
            environ["CONTENT_TYPE"] = IN_ANOTHER_CHARSET
        return application(environ, start_response)

    return checked


application = utf_8_only(get_wsgi_application())
