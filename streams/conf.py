"""The settings of this app, with their defaults.

    from streams.conf import settings

    settings.LEASE_SECONDS

A setting is read from Django's settings, under the same name, at its first use. From
then on it is a plain attribute. A change through `override_settings` takes effect.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, overload

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from streams import __version__
from streams.credentials import ApiKey, ApiKeys
from streams.edge_keys import EdgeKeys
from streams.plan_files import MAX_LIMIT, examine, read_plans
from streams.rules import Plan, Plans, StartRate, WhenFull
from streams.setting_kinds import (
    REGION,
    TABLE,
    Choice,
    ExistingFile,
    Fault,
    Flag,
    Integer,
    Kind,
    Name,
    Names,
    OptionalText,
    PageUrl,
    Seconds,
    Text,
    Texts,
    Url,
    UrlOrFile,
)

MAX_INTERVAL_SECONDS = 5.0
"""Longest default interval between starts."""
INTERVALS_PER_EDGE_TOKEN = 11
"""Default number of intervals between starts in the life of an edge token."""

MIN_HEARTBEAT_INTERVAL_MS = 250

SINKS_OF_EVENTS = {"log": "streams.sinks.lines.line"}
SINKS_OF_METRICS = {
    "emf": "streams.sinks.lines.line",
    "prometheus": "streams.sinks.prometheus.count",
}


class Setting[Value]:
    """A declared setting: its kind, and its default or a function that returns it."""

    def __init__(
        self, kind: Kind[Value], default: "Value | Callable[[Settings], Value]"
    ) -> None:
        self.kind = kind
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, settings: None, owner: type) -> Self: ...
    @overload
    def __get__(self, settings: "Settings", owner: type) -> Value: ...
    def __get__(self, settings: "Settings | None", owner: type) -> Self | Value:
        """Read the setting and store it as an attribute of `settings`."""
        if settings is None:
            return self
        value = self._read(settings)
        settings.__dict__[self.name] = value
        return value

    def _read(self, settings: "Settings") -> Value:
        if settings.is_configured(self.name):
            return self._check(settings.configured(self.name))
        return self.default(settings) if callable(self.default) else self.default

    def _check(self, value: Any) -> Value:
        try:
            return self.kind.check(value)
        except (TypeError, ValueError) as exc:
            raise ImproperlyConfigured(
                invalid(self.name, value, self.kind, exc)
            ) from exc


def invalid(name: str, value: Any, kind: Kind[Any], error: Exception) -> str:
    """Return the message for a value that is not of its kind."""
    if isinstance(error, Fault):
        return f"{name}: {error}"
    shown = "not valid" if kind.is_secret else repr(value)
    return f"{name} is {shown}. Set it to {kind.description}"


class Settings:
    """Every setting of the app.

    The names of the attributes are the names in Django's settings. A project with
    no settings of this app refuses every call, because it cannot identify callers.
    """

    MAX_LIMIT = MAX_LIMIT

    # --- limits -----------------------------------------------------------------

    STREAM_LIMIT = Setting(Integer(0, MAX_LIMIT), 3)
    WHEN_FULL = Setting(Choice(*WhenFull), WhenFull.DENY)
    LEASE_SECONDS = Setting(Integer(5, 3600), 60)
    WHEN_STORE_IS_DOWN = Setting(Choice("closed", "open"), "closed")
    MAX_GRACE_STREAMS = Setting(
        Integer(0, MAX_LIMIT), lambda settings: settings.STREAM_LIMIT
    )
    TRUSTED_PROXIES = Setting(Integer(0, 10), 0)
    MINT_BURST = Setting(Integer(1, 1000), 6)
    MINT_INTERVAL_SECONDS = Setting(
        Seconds(0, 3600), lambda settings: settings.default_interval_seconds
    )

    HEARTBEAT_BURST = Setting(Integer(1, 1000), 6)

    # --- authentication ---------------------------------------------------------

    API_KEYS: "Setting[list[ApiKey]]" = Setting(ApiKeys(), lambda settings: [])
    AUTH_JWT_SECRETS = Setting(
        Texts("random secrets of at least 32 characters", is_secret=True),
        lambda settings: [],
    )
    AUTH_JWKS = Setting(UrlOrFile("an https:// URL or a file"), "")
    AUTH_KEY_SOURCE = Setting(
        Text("the dotted path of a function"), "streams.published_keys.keys_of"
    )
    AUTH_ALGORITHMS = Setting(
        Texts("a list of JWS algorithms"),
        lambda settings: ["HS256"] if settings.AUTH_JWT_SECRETS else ["RS256", "ES256"],
    )
    AUTH_ISSUER = Setting(
        Names("the iss of the bearer tokens to accept, separated by commas"),
        lambda settings: [],
    )
    AUTH_AUDIENCE = Setting(
        Names("the aud of the bearer tokens to accept, separated by commas"),
        lambda settings: [],
    )
    AUTH_SCOPE_CLAIMS = Setting(
        Names("a list of claims"), lambda settings: ["scope", "scp"]
    )
    AUTH_TRUST_STREAM_LIMIT = Setting(Flag(), False)
    AUTH_TRUST_STREAM_PLAN = Setting(Flag(), False)
    AUTHENTICATION_CLASSES = Setting(
        Texts("dotted paths of classes"), lambda settings: settings.authentications
    )
    OPEN_ACCESS = Setting(Flag(), False)

    # --- tokens -----------------------------------------------------------------

    LEASE_TOKEN_KEYS = Setting(
        Texts("random keys of at least 32 characters", is_secret=True),
        lambda settings: settings.django_secret_keys,
    )
    HASH_KEY = Setting(
        Text("a random key of at least 32 characters", is_secret=True),
        lambda settings: settings.LEASE_TOKEN_KEYS[0],
    )
    """Key of what is stored or published as a hash. It outlives the signing keys."""
    EDGE_TOKEN_KEYS = Setting(EdgeKeys(), lambda settings: [])
    EDGE_TOKEN_ISSUER = Setting(Name("the URL of this service"), "")
    EDGE_TOKEN_AUDIENCE = Setting(Name("the host name of the CDN"), "")
    EDGE_TOKEN_SUBJECT = Setting(Choice("hash", "plain"), "hash")
    EDGE_TOKEN_GRACE_SECONDS = Setting(Integer(0, 20), 20)

    # --- DynamoDB ---------------------------------------------------------------

    DYNAMODB_TABLE = Setting(Text("the name of a table", TABLE), "UserStreams")
    DYNAMODB_ENDPOINT = Setting(
        OptionalText(Url("a URL such as http://127.0.0.1:8001")), None
    )
    DYNAMODB_TRANSPORT = Setting(Choice("curl", "botocore"), "curl")
    AWS_REGION = Setting(Text("a region such as eu-west-1", REGION), "eu-west-1")
    AWS_CA_BUNDLE = Setting(ExistingFile("a file of certificates"), None)

    DYNAMODB_CONNECT_SECONDS = Setting(Seconds(0, 30), 1)
    """Time-out of a connection."""
    DYNAMODB_CALL_SECONDS = Setting(Seconds(0, 30), 2)
    """Time-out of one attempt at a call, including its connection."""
    DEADLINE_SECONDS = Setting(Seconds(0, 30), 8)
    """Deadline of a request with all calls, repeats and pauses.

    It is shorter than Lambda's 10 and API Gateway's 29 seconds.
    """

    @cached_property
    def AWS_KEYS(self) -> tuple[str, str, str | None] | None:  # noqa: N802
        """Key, secret and token, or None if botocore must find them (profile, role)."""
        keys: tuple[str, str, str | None] | None = self.configured("AWS_KEYS")
        return keys

    # --- HTTP -------------------------------------------------------------------

    BROWSABLE_API = Setting(Flag(), False)
    PROBLEM_DOCUMENTATION = Setting(
        PageUrl("the URL of a page that explains the problems"), ""
    )
    MAX_PATH_CHARACTERS = Setting(Integer(512, 8192), 1024)
    """Longest decoded path. Two ids of 255 characters fit."""

    RELEASE_VERSION = Setting(
        Text("the version of the deployment"), lambda settings: __version__
    )
    """Shown by `/healthz`."""

    # --- events and logs --------------------------------------------------------

    EVENTS = Setting(Choice("off", "log"), "off")
    EVENTS_DEVICE_NAMES = Setting(Flag(), False)
    EVENTS_SAMPLE_RENEWALS = Setting(Integer(1, 1000), 1)
    METRICS = Setting(Choice("off", "emf", "prometheus"), "off")
    PROMETHEUS_MULTIPROC_DIR = Setting(Text("an empty folder"), "")
    EVENT_SINKS = Setting(
        Texts("dotted paths of functions"),
        lambda settings: sinks(events=settings.EVENTS, metrics=settings.METRICS),
    )
    LOG_USER_IDS = Setting(Flag(), False)

    # --- computed from others ---------------------------------------------------

    @cached_property
    def PLANS(self) -> Plans:  # noqa: N802
        """The plans, from the file that `PLANS` names, and the start rate."""
        if isinstance(self.configured("PLANS"), Plans):
            return self.plans_without_rate
        return replace(self.plans_without_rate, start_rate=self.start_rate)

    @cached_property
    def SHADOW_PLANS(self) -> Plans | None:  # noqa: N802
        """Plans that decide nothing; events record where they would differ."""
        return self._plans("SHADOW_PLANS")

    @cached_property
    def PLANS_LOOK_AT_NETWORKS(self) -> bool:  # noqa: N802
        """Whether a rule examines the caller's network."""
        return examine(self.PLANS, "network") or examine(self.SHADOW_PLANS, "network")

    @cached_property
    def LONGEST_LEASE_MS(self) -> int:  # noqa: N802
        """The longest lease of a playing stream. A paused stream's can be longer."""
        return self._longest_lease_ms(self.PLANS)

    @cached_property
    def HEARTBEAT_RATE(self) -> StartRate:  # noqa: N802
        """The rate of the heartbeats of one playback: six times a correct player's."""
        shortest_ms = min(plan.lease_ms for plan in self.plans_without_rate.all)
        interval_ms = max(MIN_HEARTBEAT_INTERVAL_MS, shortest_ms // 20)
        return StartRate(burst=self.HEARTBEAT_BURST, interval_ms=interval_ms)

    @cached_property
    def EDGE_TOKEN_MS(self) -> int:  # noqa: N802
        """The longest life of an edge token."""
        longest_lease_ms = self._longest_lease_ms(self.plans_without_rate)
        return longest_lease_ms // 3 + self.EDGE_TOKEN_GRACE_SECONDS * 1000

    @cached_property
    def MINT_INTERVAL_MS(self) -> int:  # noqa: N802
        """The time between further starts of a user. 0 means no start rate."""
        return round(self.MINT_INTERVAL_SECONDS * 1000)

    @cached_property
    def IS_AUTHENTICATED(self) -> bool:  # noqa: N802
        """Whether an authentication is configured."""
        return bool(self.API_KEYS or self.AUTH_JWT_SECRETS or self.AUTH_JWKS)

    @property
    def authentications(self) -> list[str]:
        """The configured ways to identify a caller."""
        classes = []
        if self.AUTH_JWT_SECRETS or self.AUTH_JWKS:
            classes.append("streams.authentication.BearerAuthentication")
        if self.API_KEYS:
            classes.append("streams.authentication.ApiKeyAuthentication")
        classes.append("streams.authentication.TicketAuthentication")
        return classes

    @cached_property
    def plans_without_rate(self) -> Plans:
        """The plans as the file has them; their leases determine the start rate."""
        return self._plans("PLANS") or Plans(default=self.default_plan)

    @property
    def default_plan(self) -> Plan:
        """The plan that applies without a plans file."""
        return Plan(
            limit=self.STREAM_LIMIT,
            lease_ms=self.LEASE_SECONDS * 1000,
            when_full=WhenFull(self.WHEN_FULL),
        )

    @property
    def start_rate(self) -> StartRate:
        """The start rate of every user."""
        return StartRate(burst=self.MINT_BURST, interval_ms=self.MINT_INTERVAL_MS)

    @property
    def default_interval_seconds(self) -> float:
        """A fraction of the longest life of an edge token, so that few are valid."""
        interval_ms = math.ceil(self.EDGE_TOKEN_MS / INTERVALS_PER_EDGE_TOKEN)
        return min(MAX_INTERVAL_SECONDS, interval_ms / 1000)

    @property
    def django_secret_keys(self) -> list[str]:
        """Django's own keys, which sign in a project without keys of this app."""
        key: str = self.configured("SECRET_KEY")
        fallbacks: list[str] = self.configured("SECRET_KEY_FALLBACKS") or []
        return [key, *fallbacks]

    @staticmethod
    def _longest_lease_ms(plans: Plans) -> int:
        return max(max(plan.lease_ms, plan.relaxed_lease_ms or 0) for plan in plans.all)

    def _plans(self, name: str) -> Plans | None:
        """Return the plans of a setting: a file, or plans that a test supplies."""
        configured = self.configured(name)
        if isinstance(configured, Plans):
            return configured
        if not configured:
            return None
        return read_plans(name, Path(configured), default=self.default_plan)

    # --- source -----------------------------------------------------------------

    def __init__(self, source: Any = django_settings) -> None:
        """Read from Django's settings, or from another object with these names."""
        self._source = source

    def is_configured(self, name: str) -> bool:
        """Return whether the source has a value for this setting."""
        return hasattr(self._source, name)

    def configured(self, name: str) -> Any:
        """Return the value in the source, or None."""
        return getattr(self._source, name, None)

    def reset(self) -> None:
        """Forget every value, so that each is read again."""
        source = self._source
        self.__dict__.clear()
        self._source = source


def sinks(*, events: str, metrics: str) -> list[str]:
    """Return the dotted paths of the sinks, each one once."""
    paths = [SINKS_OF_EVENTS.get(events), SINKS_OF_METRICS.get(metrics)]
    return list(dict.fromkeys(path for path in paths if path))


settings = Settings()


def _reset(*, setting: str, **_: Any) -> None:
    """Follow `override_settings`, which sends a signal."""
    if setting in DEPENDENCIES:
        settings.reset()


NAMES = tuple(name for name in vars(Settings) if name.isupper())
"""The settings of this app."""
DEPENDENCIES = {*NAMES, "SECRET_KEY", "SECRET_KEY_FALLBACKS"}
setting_changed.connect(_reset)
