"""Where people begin, and the API's description for programs."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views import View

from streams.browsable.renderers import DOCUMENT


class OpenAPIView(View):
    """The API, described for programs."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The OpenAPI 3.1 document."""
        return HttpResponse(DOCUMENT.read_bytes(), content_type="application/json")


class HomeView(View):
    """Where the service is mounted, which is where a person begins."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The console."""
        return HttpResponseRedirect(reverse("console"))
