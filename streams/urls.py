"""The API's routes. Ids match anything here, slashes too, so that a bad one is refused by name and not as a lost
page."""

from django.conf import settings
from django.urls import re_path
from rest_framework.permissions import AllowAny

from streams.parsers import StrictJSONParser, TextJSONParser
from streams.views import HealthView, LimitView, ReadyView, StreamViewSet

USER = r"^users/(?P<user_id>(?s:.*?))"
STREAM = rf"{USER}/streams/(?P<id>(?s:.+?))"

urlpatterns = [  # in this order, a stream may be named `streams` or `limit`
    re_path(rf"{STREAM}/heartbeat/?\Z", StreamViewSet.as_view({"post": "heartbeat"}), name="stream-heartbeat"),
    re_path(
        rf"{STREAM}/stop/?\Z",
        StreamViewSet.as_view(
            {"post": "stop"},
            parser_classes=(StrictJSONParser, TextJSONParser),
            authentication_classes=(),
            permission_classes=(AllowAny,),
        ),
        name="stream-stop",
    ),
    re_path(
        rf"{STREAM}/?\Z",
        StreamViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
        name="stream-detail",
    ),
    re_path(rf"{USER}/streams/?\Z", StreamViewSet.as_view({"get": "list", "post": "create"}), name="stream-list"),
    re_path(rf"{USER}/limit/?\Z", LimitView.as_view(), name="limit"),
    re_path(r"^healthz/?\Z", HealthView.as_view(), name="healthz"),
    re_path(r"^readyz/?\Z", ReadyView.as_view(), name="readyz"),
]
if settings.BROWSABLE_API:
    from django.views.generic import TemplateView

    from streams.pages import HomeView, OpenAPIView

    console = TemplateView.as_view(template_name="streams/console.html")
    docs = TemplateView.as_view(template_name="streams/docs.html")
    urlpatterns += [
        re_path(r"^\Z", HomeView.as_view(), name="home"),
        re_path(r"^openapi\.json\Z", OpenAPIView.as_view(), name="openapi"),
        re_path(r"^docs/?\Z", docs, name="docs"),
        re_path(r"^console/?\Z", console, name="console"),
    ]
