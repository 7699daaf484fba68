"""The API's routes. `/me` stands wherever `/users/{userId}` does, and each may end with a slash."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.urls import URLPattern, path
from rest_framework.permissions import AllowAny

from streams.parsers import PlainTextJSONParser, StrictJSONParser
from streams.views import (
    AccountView,
    EdgeKeysView,
    HealthView,
    LimitView,
    PlansView,
    ReadyView,
    StreamViewSet,
)

OPEN: dict[str, Any] = {"authentication_classes": (), "permission_classes": (AllowAny,)}
"""No credential is looked at, so that none that has expired is in the way. A player's is the token in the body."""

of_a_user = {
    "": ("account", AccountView.as_view()),
    "/streams": (
        "stream-list",
        StreamViewSet.as_view({"get": "list", "post": "create", "delete": "clear"}),
    ),
    "/streams/<str:id>": (
        "stream-detail",
        StreamViewSet.as_view(
            {"get": "retrieve", "put": "update", "delete": "destroy"}
        ),
    ),
    "/streams/<str:id>/heartbeat": (
        "stream-heartbeat",
        StreamViewSet.as_view({"post": "heartbeat"}, **OPEN),
    ),
    "/streams/<str:id>/stop": (
        "stream-stop",
        StreamViewSet.as_view(
            {"post": "stop"},
            **OPEN,
            parser_classes=(StrictJSONParser, PlainTextJSONParser),
        ),
    ),
    "/limit": ("limit", LimitView.as_view()),
}


def _routes() -> Iterator[URLPattern]:
    for slash in ("", "/"):
        for place, (name, view) in of_a_user.items():
            yield path(f"users/<str:user_id>{place}{slash}", view, name=name)
            yield path(f"me{place}{slash}", view, name=f"my-{name}")
        yield path(f"plans{slash}", PlansView.as_view(), name="plans")
        yield path(
            f".well-known/jwks.json{slash}",
            EdgeKeysView.as_view(**OPEN),
            name="edge-keys",
        )
        yield path(f"healthz{slash}", HealthView.as_view(**OPEN), name="healthz")
        yield path(f"readyz{slash}", ReadyView.as_view(**OPEN), name="readyz")


urlpatterns = [*_routes()]
if settings.BROWSABLE_API:
    from django.views.generic import RedirectView, TemplateView

    from streams.browsable.views import OpenAPIView

    console = TemplateView.as_view(template_name="streams/console.html")
    docs = TemplateView.as_view(template_name="streams/docs.html")
    urlpatterns += [
        path(
            "",
            RedirectView.as_view(
                pattern_name="console", http_method_names=["get", "head", "options"]
            ),
            name="home",
        ),
        path("openapi.json", OpenAPIView.as_view(), name="openapi"),
        *(path(f"docs{slash}", docs, name="docs") for slash in ("/", "")),
        *(path(f"console{slash}", console, name="console") for slash in ("/", "")),
    ]
