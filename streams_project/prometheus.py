"""Metrics for Prometheus: `METRICS=prometheus`, outside of Lambda. A sink of events, and `GET /metrics` to scrape.

Whoever may reach the streams of every user may scrape: a back end's `X-API-Key` with the scope `streams:operate`, which
Prometheus sends as `http_headers` of a job. Where access is open (local development), everyone may.
"""

from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from rest_framework.request import Request
from rest_framework.views import APIView

from streams.events import EventFields
from streams_project import requests
from streams_project.events import outcomes

DECISIONS = Counter(
    "stream_limits_decisions",
    "Decisions, by what they count as: see docs/events.md.",
    ["outcome"],
)
SECONDS = Histogram(
    "stream_limits_decision_seconds",
    "From the beginning of a request to its decision.",
    ["kind"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 8.5),
)


def count(kind: str, now: int, facts: EventFields) -> None:
    """Count an event: every one, heartbeats too."""
    for outcome in outcomes(kind, facts):
        DECISIONS.labels(outcome).inc()
    if ms := requests.spent().get("ms"):
        SECONDS.labels(kind).observe(ms / 1000)


class MetricsView(APIView):
    """What Prometheus scrapes."""

    schema = None
    user_id = None
    """Of no user: no viewer has a right to it."""

    def get(self, request: Request) -> HttpResponse:
        """All metrics of this process, or of all that share a folder."""
        registry = REGISTRY
        if settings.PROMETHEUS_MULTIPROC_DIR:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=settings.PROMETHEUS_MULTIPROC_DIR)  # type: ignore[no-untyped-call]
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


urlpatterns = [path("", MetricsView.as_view(), name="metrics")]
