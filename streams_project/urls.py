"""The whole URL space: the API, and a problem for everything else."""

from django.urls import re_path

from streams.urls import urlpatterns as api
from streams.views import unknown_url

urlpatterns = [*api, re_path("", unknown_url)]
handler404 = unknown_url
