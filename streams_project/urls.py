"""Every URL: the API, pages of the project, and a problem for any other URL."""

from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path

from streams.conf import settings
from streams.errors import InvalidRequest
from streams.problems import plain_response
from streams.urls import urlpatterns as api
from streams.views import unknown_url

has_why_page: bool = django_settings.WHY_PAGE
has_metrics_page = settings.METRICS == "prometheus"

urlpatterns = [
    *api,
    *([path("", include("insights.urls"))] if has_why_page else []),
    *(
        [path("metrics", include("streams.sinks.prometheus"))]
        if has_metrics_page
        else []
    ),
    re_path("", unknown_url),
]
handler404 = unknown_url


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return a problem for a request that Django refuses."""
    error = InvalidRequest(request="The service cannot read the request.")
    return plain_response(error, request)


def handler500(request: HttpRequest) -> HttpResponse:
    """Return a problem for a failure outside the API's views, which Django logs."""
    return plain_response(RuntimeError(), request)
