"""Metrics for Prometheus (`METRICS=prometheus`): a sink, and the page to scrape.

A caller that may reach the streams of every user may scrape: a back end with the
scope `streams:operate`. Prometheus sends its `X-API-Key` as `http_headers` of a
scrape job. With open access (local development) every caller may scrape.
"""

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

from streams import current_request
from streams.api_view import StreamsAPIView
from streams.conf import settings
from streams.events import EventFields
from streams.sinks.lines import outcomes

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


def count(kind: str, now: int, fields: EventFields) -> None:
    """Count an event. Heartbeats are counted too, without a sample."""
    for outcome in outcomes(kind, fields):
        DECISIONS.labels(outcome).inc()

    milliseconds = current_request.spent().get("ms")
    if milliseconds:
        SECONDS.labels(kind).observe(milliseconds / 1000)


class MetricsView(StreamsAPIView):
    """The page that Prometheus scrapes."""

    schema = None
    user_id = None
    """The page belongs to no user, so that no viewer may read it."""

    def get(self, request: Request) -> HttpResponse:
        """Return the metrics of this process, or of all that share a folder."""
        registry = REGISTRY
        folder = settings.PROMETHEUS_MULTIPROC_DIR
        if folder:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


urlpatterns = [path("", MetricsView.as_view(), name="metrics")]
