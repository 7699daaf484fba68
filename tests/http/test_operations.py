"""Logs of requests, and metrics that Prometheus scrapes."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory
from django.urls import include, path
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from streams import current_request, urls
from streams.api_view import StreamsAPIView
from streams.authentication import ApiKeyAuthentication
from streams.credentials import ApiKey
from streams.sinks.prometheus import MetricsView
from streams_project.logs import JSONFormatter
from tests.viewer import Viewer

urlpatterns = [
    *urls.urlpatterns,
    path("metrics", include("streams.sinks.prometheus")),
]


@pytest.fixture
def scraped(settings: Any) -> None:
    """Yield the service with `METRICS=prometheus`."""
    settings.ROOT_URLCONF, settings.EVENT_SINKS = (
        __name__,
        ["streams.sinks.prometheus.count"],
    )


@pytest.fixture
def guarded(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.OPEN_ACCESS = False
    settings.API_KEYS = [
        ApiKey(name, hashlib.sha256(name.encode()).hexdigest(), frozenset({scope}))
        for name, scope in (
            ("prometheus", "streams:operate"),
            ("billing", "streams:admin"),
        )
    ]
    monkeypatch.setattr(
        StreamsAPIView, "authentication_classes", [ApiKeyAuthentication]
    )
    monkeypatch.setattr(MetricsView, "authentication_classes", [ApiKeyAuthentication])


def counts(text: str) -> dict[str, float]:
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = families["stream_limits_decisions"].samples
    return {
        sample.labels["outcome"]: sample.value
        for sample in samples
        if sample.name.endswith("_total")
    }


def scrape(server_url: str, **headers: str) -> httpx.Response:
    accept = (
        "application/openmetrics-text;version=1.0.0,"
        "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    )
    return httpx.get(f"{server_url}/metrics", headers={"Accept": accept, **headers})


def test_prometheus_is_told_of_each_decision(
    scraped: None, viewer: Viewer, server_url: str
) -> None:
    before = counts(scrape(server_url).text)
    for device in ("a", "b", "c", "d"):
        viewer.start(deviceId=device)
    viewer.end("a")
    answer = scrape(server_url)
    after = counts(answer.text)
    assert {
        name: after[name] - before.get(name, 0)
        for name in ("admitted", "denied", "stopped")
    } == {
        "admitted": 3,
        "denied": 1,
        "stopped": 1,
    }
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert REGISTRY.get_sample_value(
        "stream_limits_decision_seconds_count", {"kind": "denied"}
    )


def test_metrics_are_for_operators(
    scraped: None, guarded: None, server_url: str
) -> None:
    statuses = [
        scrape(server_url, **headers).status_code
        for headers in (
            {},
            {"X-API-Key": "nobody"},
            {"X-API-Key": "billing"},
            {"X-API-Key": "prometheus"},
        )
    ]
    assert statuses == [401, 401, 403, 200]


def test_processes_that_share_a_folder_are_scraped_together(
    scraped: None, settings: Any, tmp_path: Path
) -> None:
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    answer = MetricsView.as_view()(RequestFactory().get("/metrics"))
    assert answer.status_code == 200
    assert answer.content == b"", (
        "what this process counts for itself is not in the folder"
    )


def test_there_are_no_metrics_to_scrape_unless_they_are_asked_for(
    server_url: str,
) -> None:
    assert scrape(server_url, Accept="*/*").status_code == 404


def test_an_answer_leaves_a_line_that_names_no_user(
    viewer: Viewer, settings: Any, caplog: pytest.LogCaptureFixture, rf: RequestFactory
) -> None:
    settings.MIDDLEWARE = ["streams.current_request.log_requests", *settings.MIDDLEWARE]
    started: Any = lambda *answer: None  # noqa: E731
    environ = rf.get(
        f"/users/{viewer.user_id}/streams", HTTP_X_REQUEST_ID="r-7"
    ).environ
    with (
        caplog.at_level(logging.INFO, "streams.current_request"),
        current_request.CurrentRequest(environ),
    ):
        WSGIHandler()(environ, started)
        (record,) = (
            record
            for record in caplog.records
            if record.name == "streams.current_request"
        )
        line = json.loads(JSONFormatter().format(record))
    assert line["request"] == "r-7"
    assert line["http"].pop("ms") > 0
    assert line["http"] == {
        "method": "GET",
        "route": "/users/<str:user_id>/streams",
        "status": 200,
        "calls": 1,
    }
    assert viewer.user_id not in json.dumps(line)
