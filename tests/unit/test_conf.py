"""The app's settings: defaults, changes in tests, and invalid values."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from streams import conf, service
from streams.conf import Settings, settings
from streams.rules import Plans, StartRate
from streams.setting_checks import check
from tests.builders import plans_of

DJANGO_KEY = "a-key-of-django-that-signs-0123456789-abcdef"


def settings_of(**configured: Any) -> Settings:
    """Return the settings of a project that sets these, and Django's own."""
    return Settings(SimpleNamespace(SECRET_KEY=DJANGO_KEY, **configured))


def test_a_project_without_settings_starts_with_defaults() -> None:
    defaults = settings_of()
    check(defaults)
    assert defaults.PLANS.default.limit == 3
    assert defaults.PLANS.start_rate == StartRate(burst=6, interval_ms=3637)
    assert defaults.EVENT_SINKS == []


def test_a_project_without_settings_admits_no_caller() -> None:
    defaults = settings_of()
    assert not defaults.OPEN_ACCESS
    assert not defaults.IS_AUTHENTICATED


def test_without_own_keys_djangos_keys_sign_and_verify_tokens() -> None:
    project = settings_of(SECRET_KEY_FALLBACKS=["old"])
    assert project.LEASE_TOKEN_KEYS == [DJANGO_KEY, "old"]


def test_a_setting_is_a_plain_attribute_after_its_first_use() -> None:
    project = settings_of(STREAM_LIMIT=5)
    assert project.STREAM_LIMIT == 5
    assert vars(project)["STREAM_LIMIT"] == 5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("STREAM_LIMIT", "5", "STREAM_LIMIT is '5'. Set it to an integer from 0 to"),
        ("STREAM_LIMIT", True, "STREAM_LIMIT is True."),
        ("WHEN_FULL", "explode", "WHEN_FULL is 'explode'. Set it to one of deny,"),
        ("MINT_INTERVAL_SECONDS", -1, "Set it to a number of seconds from 0 to 3600"),
        ("OPEN_ACCESS", "no", "OPEN_ACCESS is 'no'. Set it to 1 or 0"),
        ("EVENT_SINKS", "a.b", "EVENT_SINKS is 'a.b'. Set it to dotted paths"),
    ],
)
def test_an_invalid_value_stops_the_start(name: str, value: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        check(settings_of(**{name: value}))
    assert message in str(refused.value)


def test_an_invalid_secret_is_not_printed() -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        check(settings_of(AUTH_JWT_SECRETS="hunter2"))
    assert "hunter2" not in str(refused.value)
    assert "AUTH_JWT_SECRETS is not valid" in str(refused.value)


def test_a_change_in_a_test_takes_effect_and_ends() -> None:
    before = settings.LEASE_SECONDS
    with override_settings(LEASE_SECONDS=before + 1):
        assert settings.LEASE_SECONDS == before + 1
    assert settings.LEASE_SECONDS == before


def test_values_that_are_computed_from_a_setting_follow_its_change() -> None:
    with override_settings(STREAM_LIMIT=7, LEASE_SECONDS=30):
        assert settings.PLANS.default.limit == 7
        assert settings.MAX_GRACE_STREAMS == 7
        assert settings.LONGEST_LEASE_MS == 30_000
        assert service.store.plans.default.limit == 7
    assert service.store.plans.default.limit == settings.STREAM_LIMIT


def test_plans_can_be_set_as_a_value() -> None:
    plans: Plans = plans_of(limit=1)
    with override_settings(PLANS=plans):
        assert settings.PLANS is plans
        assert service.store.plans is plans


def test_the_sinks_of_events_and_metrics_are_listed_once() -> None:
    line = "streams.sinks.lines.line"
    assert conf.sinks(events="log", metrics="emf") == [line]
    assert conf.sinks(events="off", metrics="off") == []
    assert conf.sinks(events="log", metrics="prometheus") == [
        line,
        "streams.sinks.prometheus.count",
    ]
