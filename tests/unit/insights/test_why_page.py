"""The page `/console/why`, from given events."""

import re
from html import unescape
from typing import Any

import pytest
from django.http import QueryDict
from django.template.response import TemplateResponse
from django.test import RequestFactory, override_settings
from django.urls import include, path

from insights import views
from tests.unit.insights.builders import AT, denied, event

NOW = AT + 3_600_000
"""2027-01-15 09:00 UTC"""
EVENTS = [
    event("admitted", 0, "tv", deviceName="Living room"),
    denied(10, "web", ("tv", 60), limit=1, plan="default"),
    event("stopped", 30, "tv", reason="stopped", by="player"),
    event("admitted", 40, "phone"),
    event("admitted", 50, "car"),
    event("ended", 60, "car", reason="evicted", by="stream web"),
]
urlpatterns = [
    path("", include("insights.urls")),
    path("console", views.WhyView.as_view(), name="console"),
]
"""The URLs that the page links to, without the pages of the API."""


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The period of each read, with the events of this machine."""
    periods: list[dict[str, Any]] = []

    def read(**options: Any) -> list[dict[str, Any]]:
        periods.append(options)
        return EVENTS

    monkeypatch.setattr(views, "kept_here", read)
    monkeypatch.setattr(views, "now", lambda: NOW)
    return periods


def page(query: str) -> str:
    request = RequestFactory().get(f"/console/why?user=ana&{query}")
    with override_settings(ROOT_URLCONF=__name__):
        response = views.WhyView.as_view()(request)
        assert isinstance(response, TemplateResponse)
        return unescape(response.render().text)


def test_times_are_in_the_zone_of_the_query() -> None:
    shown = page("zone=Europe/Madrid&since=2h")

    assert "From 2027-01-15 08:57 to 2027-01-15 10:00 Europe/Madrid." in shown
    assert "At 09:00:10 web was denied: 1 of 1 slot was held" in shown
    assert 'name="zone" value="Europe/Madrid"' in shown


def test_a_denial_names_its_plan_and_the_device() -> None:
    shown = page("")

    assert "\nplan: default\n" in shown
    assert ">Living room</text>" in shown
    assert "- tv, since 08:00:00" in shown


def test_the_link_shows_the_same_period_later(kept: list[dict[str, Any]]) -> None:
    shown = page("zone=Europe/Madrid&since=2h")
    match = re.search(r'href="\?([^"]+)">Link to this period', shown)
    assert match
    query = QueryDict(match[1])
    assert query["since"] == "2027-01-15T08:00:00.000+01:00"

    page(match[1])

    assert kept[0] == kept[1]


def test_the_legend_explains_every_colour_of_the_drawing() -> None:
    shown = page("")
    drawing, legend = shown.split('aria-label="Legend"')
    styles = set(re.findall(r'class="bar (\w+)"', drawing))

    assert styles == {"stopped", "expired", "ended"}
    assert styles < set(re.findall(r'class="bar (\w+)"', legend))
    assert "✗" in legend


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("since=soon", "'soon' is not a duration"),
        ("since=soon", "'soon' is not a time"),
        ("zone=Mars", "Mars is not a time zone"),
        ("since=1h&until=2h", "The begin must be before the end."),
    ],
)
def test_an_invalid_parameter_is_named(query: str, error: str) -> None:
    assert error in page(query)
