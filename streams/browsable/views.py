"""Serves the OpenAPI document and the page of the problems."""

import json
from typing import Any, override

from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.views import View
from django.views.generic import TemplateView

from streams.browsable.document import document
from streams.problems import problems_by_type


class OpenAPIView(View):
    """The OpenAPI document."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the OpenAPI 3.1 document, with the prefix of this deployment."""
        servers = [{"url": get_script_prefix()}]
        body = json.dumps(document() | {"servers": servers}, indent=4)
        return HttpResponse(body, content_type="application/json")


class ProblemsView(TemplateView):
    """The page to which the `Link` of each problem leads."""

    template_name = "streams/problems.html"

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        types = problems_by_type().items()
        return super().get_context_data(**kwargs, types=types)
