"""Serves the OpenAPI document."""

import json

from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.views import View

from streams.browsable.document import document


class OpenAPIView(View):
    """The OpenAPI document."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the OpenAPI 3.1 document, with the prefix of this deployment."""
        servers = [{"url": get_script_prefix()}]
        body = json.dumps(document() | {"servers": servers}, indent=4)
        return HttpResponse(body, content_type="application/json")
