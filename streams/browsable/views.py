"""Serves the OpenAPI document."""

from django.http import HttpRequest, HttpResponse
from django.views import View

from streams.browsable.document import DOCUMENT


class OpenAPIView(View):
    """The OpenAPI document."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Return the OpenAPI 3.1 document."""
        return HttpResponse(DOCUMENT.read_bytes(), content_type="application/json")
