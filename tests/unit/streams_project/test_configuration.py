"""Start-up with safe and unsafe configurations.

An error names the variable, and contains no part of a secret.
"""

import pytest

from tests.start_up import (
    BEARER,
    OTHER_SECRET,
    PRODUCTION,
    SECRET,
    assert_refused,
    sha256,
    started,
)

LOCAL_TOKEN_KEY = "local-development-only-local-development-only"


def test_a_production_configuration_starts() -> None:
    bearer = {"AUTH_JWT_SECRETS": OTHER_SECRET, "AUTH_PERMISSIONS_CLAIM": "roles"}
    settings = started(PRODUCTION | BEARER | bearer)
    assert settings.IS_AUTHENTICATED
    assert not settings.OPEN_ACCESS
    [key] = settings.API_KEYS
    assert key == ("billing", sha256("the-key"), frozenset({"streams:operate"}))
    assert settings.AUTH_SCOPE_CLAIMS == ["scope", "scp", "roles"]


def test_local_development_needs_no_configuration() -> None:
    assert started({"DEBUG": "1", "ALLOWED_HOSTS": "*"}).OPEN_ACCESS


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"DEBUG": "1", "AWS_LAMBDA_FUNCTION_NAME": "stream-limits"}, "DEBUG"),
        ({"LEASE_TOKEN_KEYS": LOCAL_TOKEN_KEY}, "LEASE_TOKEN_KEYS"),
        ({"LEASE_TOKEN_KEYS": f"{SECRET},{LOCAL_TOKEN_KEY}"}, "LEASE_TOKEN_KEYS"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "streams.example.com, *"}, "ALLOWED_HOSTS"),
        ({"AUTH_JWT_SECRETS": OTHER_SECRET}, "AUTH_ISSUER"),
        (
            {
                "AUTH_JWT_SECRETS": OTHER_SECRET,
                "AUTH_JWKS": "https://id.example.com/jwks",
            }
            | BEARER,
            "AUTH_JWKS",
        ),
        ({"AUTH_JWKS": "http://ana:hunter2@id.example.com/jwks"} | BEARER, "AUTH_JWKS"),
        ({"AUTH_JWKS": "hunter2"} | BEARER, "AUTH_JWKS"),
    ],
    ids=[
        "DEBUG on Lambda",
        "the local token key",
        "the local token key beside another",
        "every host",
        "every host beside another",
        "no issuer",
        "two ways to know tokens",
        "keys without TLS",
        "no file of keys",
    ],
)
def test_an_unsafe_production_configuration_stops_the_start(
    environment: dict[str, str], named: str
) -> None:
    assert_refused(
        PRODUCTION | environment,
        named,
        hidden=["hunter2", LOCAL_TOKEN_KEY, SECRET, OTHER_SECRET],
    )


@pytest.mark.parametrize(
    ("environment", "interval_ms"),
    [
        ({}, 3637),
        ({"LEASE_SECONDS": "30", "EDGE_TOKEN_GRACE_SECONDS": "0"}, 910),
        ({"LEASE_SECONDS": "3600"}, 5000),
        ({"MINT_INTERVAL_SECONDS": "2.5"}, 2500),
        ({"MINT_INTERVAL_SECONDS": "0"}, 0),
    ],
    ids=[
        "default",
        "an eleventh of a token's life",
        "at most five seconds",
        "as set",
        "off",
    ],
)
def test_the_interval_between_starts_is_an_eleventh_of_an_edge_tokens_life(
    environment: dict[str, str], interval_ms: int
) -> None:
    assert interval_ms == started(PRODUCTION | environment).MINT_INTERVAL_MS


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (
            {"METRICS": "statsd"},
            "METRICS is 'statsd'. Set it to one of off, emf, prometheus",
        ),
        ({"METRICS": "prometheus", "AWS_LAMBDA_FUNCTION_NAME": "f"}, "Set METRICS=emf"),
        (
            {"METRICS": "prometheus", "PROMETHEUS_MULTIPROC_DIR": "/none"},
            "'/none', which is not a writable folder",
        ),
        ({"EVENTS": "sqlite"}, "EVENTS is 'sqlite'. Set it to one of off, log"),
        (
            {"EVENTS_SAMPLE_RENEWALS": "0"},
            "EVENTS_SAMPLE_RENEWALS is '0'. Set it to an integer from 1 to 1000",
        ),
    ],
    ids=[
        "unknown metrics",
        "Prometheus on Lambda",
        "no folder",
        "a file outside of local development",
        "no sample",
    ],
)
def test_events_and_metrics_without_a_destination_stop_the_start(
    environment: dict[str, str], why: str
) -> None:
    assert_refused(PRODUCTION | environment, why, hidden=[SECRET])


def test_local_development_on_a_local_engine_keeps_its_events() -> None:
    local = {"DEBUG": "1", "DYNAMODB_ENDPOINT": "http://127.0.0.1:9"}
    settings = started(local)
    assert (settings.EVENT_SINKS, settings.WHY_PAGE) == (
        ["insights.store.append"],
        True,
    )
    settings = started(local | {"EVENTS": "off"})
    assert (settings.EVENT_SINKS, settings.WHY_PAGE) == ([], False)
