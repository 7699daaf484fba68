"""The routes of the API.

`/me` is accepted wherever `/users/{userId}` is. Each route exists with and without a
slash at the end.
"""

from collections.abc import Iterator

from django.urls import URLPattern, path
from rest_framework.routers import DynamicRoute, Route, SimpleRouter

from streams.conf import settings
from streams.views import (
    AccountView,
    CmcdView,
    DryRunView,
    EdgeKeysView,
    HealthView,
    LimitView,
    PlansView,
    ReadyView,
    StreamViewSet,
    TicketsView,
)

USERS = (("users/<str:user_id>", ""), ("me", "my-"))
"""The paths of a user, with the prefix of their routes' names."""


class StreamRouter(SimpleRouter):
    """Routes of the streams of a user.

    REST framework's routes, with `DELETE` on the list and without `PATCH`.
    """

    routes = [  # noqa: RUF012  # as REST framework declares it
        Route(
            url="{prefix}{trailing_slash}",
            mapping={"get": "list", "post": "create", "delete": "clear"},
            name="{basename}-list",
            detail=False,
            initkwargs={"name": "Streams"},
        ),
        Route(
            url="{prefix}/{lookup}{trailing_slash}",
            mapping={"get": "retrieve", "put": "update", "delete": "destroy"},
            name="{basename}-detail",
            detail=True,
            initkwargs={"name": "Stream"},
        ),
        DynamicRoute(
            url="{prefix}/{lookup}/{url_path}{trailing_slash}",
            name="{basename}-{url_name}",
            detail=True,
            initkwargs={},
        ),
    ]


def _routes_of_users() -> Iterator[URLPattern]:
    account = AccountView.as_view()
    dry_run = DryRunView.as_view()
    limit = LimitView.as_view()
    tickets = TicketsView.as_view()
    for user, prefix in USERS:
        router = StreamRouter(trailing_slash=False, use_regex_path=False)
        router.register(f"{user}/streams", StreamViewSet, f"{prefix}stream")
        for route in router.urls:
            assert isinstance(route, URLPattern)
            yield route
        yield path(f"{user}/dry-run", dry_run, name=f"{prefix}dry-run")
        yield path(user, account, name=f"{prefix}account")
        yield path(f"{user}/limit", limit, name=f"{prefix}limit")
        yield path(f"{user}/tickets", tickets, name=f"{prefix}tickets")


def _with_slash(route: URLPattern) -> URLPattern:
    return path(f"{route.pattern}/", route.callback, name=route.name)


routes = [
    *_routes_of_users(),
    path("cmcd/<str:handle>", CmcdView.as_view(), name="cmcd"),
    path("plans", PlansView.as_view(), name="plans"),
    path(".well-known/jwks.json", EdgeKeysView.as_view(), name="edge-keys"),
    path("healthz", HealthView.as_view(), name="healthz"),
    path("readyz", ReadyView.as_view(), name="readyz"),
]
urlpatterns = [*routes, *map(_with_slash, routes)]

if settings.BROWSABLE_API:
    from streams.browsable.urls import urlpatterns as pages

    urlpatterns += pages
