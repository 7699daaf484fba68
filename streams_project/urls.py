"""The whole URL space: the API, and a problem for everything else."""

from django.urls import include, path, re_path

from streams.views import unknown_url

urlpatterns = [
    path("", include("streams.urls")),
    re_path("", unknown_url),
]
handler404 = unknown_url
