"""The API's description for programs."""

from django.http import HttpRequest, HttpResponse
from django.views import View

from streams.browsable.renderers import DOCUMENT


class OpenAPIView(View):
    """The API, described for programs."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The OpenAPI 3.1 document."""
        return HttpResponse(DOCUMENT.read_bytes(), content_type="application/json")
