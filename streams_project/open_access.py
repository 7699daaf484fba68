"""Open access, for local development: callers on other machines are refused."""

import logging
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import PermissionDenied

from streams.networks import address_of
from streams.problems import plain_response

log = logging.getLogger(__name__)

FORWARDED_BY = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
"""Headers of proxies. Behind a proxy, every connection can be one of loopback."""
REFUSAL = (
    "Open access answers callers on this machine only. Configure an authentication, "
    "or set PRIVATE_NETWORK=1."
)


def loopback_only(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return a middleware that refuses callers on other machines."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not is_local(request.META):
            log.warning(REFUSAL)
            return plain_response(PermissionDenied(), request)
        return get_response(request)

    return middleware


def is_local(environ: dict[str, Any]) -> bool:
    """Return whether a request comes from this machine, without a proxy."""
    if any(environ.get(header) for header in FORWARDED_BY):
        return False
    address = address_of(environ.get("REMOTE_ADDR") or "")
    return address is not None and address.is_loopback
