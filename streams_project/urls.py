"""The whole URL space: the API, and a problem for everything else."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path

from streams.errors import InvalidRequest
from streams.problems import plain_response
from streams.urls import urlpatterns as api
from streams.views import unknown_url

urlpatterns = [
    *api,
    *([path("", include("insights.urls"))] if settings.WHY_PAGE else []),
    *(
        [path("metrics", include("streams_project.prometheus"))]
        if settings.METRICS == "prometheus"
        else []
    ),
    re_path("", unknown_url),
]
handler404 = unknown_url


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django itself refuses, as a problem."""
    return plain_response(
        InvalidRequest(request="It is not one that this service can read.")
    )


def handler500(request: HttpRequest) -> HttpResponse:
    """What fails outside the API's views, as a problem. Django has logged it."""
    return plain_response(RuntimeError())
