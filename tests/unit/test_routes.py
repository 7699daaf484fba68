"""The routes that the URL resolver knows."""

import sys
from types import ModuleType

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet

from streams.routes import first_segments, routes


def paths(name: str) -> set[str]:
    return {route.path for route in routes() if route.name == name}


def test_a_route_has_its_name_its_path_and_its_methods() -> None:
    listing = next(route for route in routes() if route.name == "stream-list")

    assert listing.path == "/users/{user_id}/streams"
    assert listing.methods == {"GET", "POST", "DELETE"}
    assert listing.first_segment == "users"


def test_a_route_with_and_without_a_trailing_slash_is_two_routes() -> None:
    assert paths("healthz") == {"/healthz", "/healthz/"}


def test_the_methods_of_a_view_are_those_that_it_defines() -> None:
    limit = next(route for route in routes() if route.name == "limit")

    assert limit.methods == {"GET", "PUT", "DELETE", "OPTIONS"}


def test_the_pattern_for_unknown_urls_is_not_a_route() -> None:
    assert {route.name for route in routes()} >= {"healthz", "stream-list"}
    assert None not in {route.name for route in routes()}


def test_the_first_segments_include_the_static_files() -> None:
    assert {"users", "me", "healthz", "readyz", "static"} <= first_segments()
    assert "" not in first_segments()


class Films(ViewSet):
    """A viewset, which a router registers."""

    def list(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse()


@pytest.fixture
def urlconf(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a URLconf with an included one, a router and a restricted view."""

    def ping(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    router = SimpleRouter(trailing_slash=False)
    router.register("films", Films, basename="film")
    home = RedirectView.as_view(url="/films", http_method_names=["get", "head"])
    module = ModuleType("urlconf_of_the_test")
    module.__dict__["urlpatterns"] = [
        path("", home, name="home"),
        path("health/", include([path("ping", ping, name="ping")])),
        path("", include(router.urls)),
        re_path("", ping),
    ]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.__name__


def test_included_routes_have_the_path_of_the_whole(urlconf: str) -> None:
    by_name = {route.name: route for route in routes(urlconf)}

    assert by_name["ping"].path == "/health/ping"
    assert by_name["ping"].methods == frozenset(), "a function declares no methods"


def test_a_view_can_be_limited_to_fewer_methods(urlconf: str) -> None:
    by_name = {route.name: route for route in routes(urlconf)}

    assert by_name["home"].path == "/"
    assert by_name["home"].methods == {"GET", "HEAD"}


def test_the_routes_of_a_router_are_routes(urlconf: str) -> None:
    by_name = {route.name: route for route in routes(urlconf)}

    assert by_name["film-list"].path == "/films"
    assert by_name["film-list"].methods == {"GET"}
    assert first_segments(urlconf) >= {"films", "health"}
