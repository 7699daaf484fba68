"""The routes of the pages."""

from django.urls import path
from django.views.generic import RedirectView, TemplateView

from streams.browsable.views import OpenAPIView, ProblemsView
from streams.problems import HELP_PATH

home = RedirectView.as_view(
    pattern_name="console",
    http_method_names=["get", "head", "options"],
)
console = TemplateView.as_view(template_name="streams/console.html")
docs = TemplateView.as_view(template_name="streams/docs.html")

urlpatterns = [
    path("", home, name="home"),
    path("openapi.json", OpenAPIView.as_view(), name="openapi"),
    path("docs/", docs, name="docs"),
    path("docs", docs, name="docs"),
    path(HELP_PATH, ProblemsView.as_view(), name="problems"),
    path("console/", console, name="console"),
    path("console", console, name="console"),
]
