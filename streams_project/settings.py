"""Every setting, read from the environment once, typed and checked here. Nothing reads the environment elsewhere.

A wrong value stops the process at start with the variable's name and what to set.
"""

import json
import math
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from streams.rules import Plan, Plans, StartRate, WhenFull
from streams_project import edge_keys
from streams_project.credentials import (
    MAKE_ONE,
    api_keys,
    check_purposes,
    check_secrets,
)
from streams_project.plans import MAX_LIMIT, look_at, read_plans
from streams_project.references import resolved

BASE_DIR = Path(__file__).resolve().parent.parent
os.environ |= resolved(os.environ)
RELEASE: dict[str, str] = {"version": "development", "commit": ""}
"""Which version this is: of a package, `release.json` says it."""
if (BASE_DIR / "release.json").is_file():
    RELEASE = json.loads((BASE_DIR / "release.json").read_text())


def _read[Value](
    name: str, default: Value, convert: Callable[[str], Value], what: str
) -> Value:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        return convert(text)
    except (ValueError, KeyError) as exc:
        raise ImproperlyConfigured(
            f"{name} is {text!r}. Set it to {what}, or leave it out for {default!r}."
        ) from exc


def _flag(name: str, default: bool = False) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "0": False,
        "false": False,
        "no": False,
    }
    return _read(name, default, lambda text: words[text.lower()], "1 or 0")


def _between[Number: (int, float)](
    name: str,
    default: Number,
    low: int,
    high: int,
    kind: Callable[[str], Number],
    what: str,
) -> Number:
    def convert(text: str) -> Number:
        number = kind(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return _read(name, default, convert, f"{what} from {low} to {high}")


def _whole(name: str, default: int, low: int, high: int) -> int:
    return _between(name, default, low, high, int, "a whole number")


def _seconds(name: str, default: float, low: int, high: int) -> float:
    return _between(name, default, low, high, float, "seconds")


def _choice(name: str, *choices: str) -> str:
    return _read(
        name,
        choices[0],
        dict(zip(choices, choices, strict=True)).__getitem__,
        f"one of {', '.join(choices)}",
    )


def _list(name: str) -> list[str]:
    return [
        part.strip() for part in os.environ.get(name, "").split(",") if part.strip()
    ]


# --- where it runs ---------------------------------------------------------------------------------------------------

DEBUG = _flag("DEBUG")
"""Local development: keys made up on the spot, and open access."""
if DEBUG and os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
    raise ImproperlyConfigured(
        "DEBUG=1 is for local development. Leave DEBUG out on AWS Lambda."
    )
ALLOWED_HOSTS = _list("ALLOWED_HOSTS") or (
    ["localhost", "127.0.0.1", "[::1]", ".localhost"] if DEBUG else []
)
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS must hold the host names the service is called by, comma-separated "
        "(.execute-api.eu-west-1.amazonaws.com, streams.example.com). For local development set DEBUG=1 instead."
    )
if "*" in ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS=* would serve under any name. Name the hosts the service is called by."
    )
BROWSABLE_API = _flag("BROWSABLE_API", DEBUG)
"""Pages for people beside the JSON."""
CORS_ALLOWED_ORIGINS = _list("CORS_ALLOWED_ORIGINS")
"""Web players' origins (https://watch.example.com), as browsers send them."""
ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:(?P<port>[1-9]\d{0,4}))?",
    re.ASCII,
)
for _number, _origin in enumerate(CORS_ALLOWED_ORIGINS, start=1):
    _found = ORIGIN.fullmatch(_origin)
    if not _found or (_found["scheme"], _found["port"]) in (
        ("https", "443"),
        ("http", "80"),
    ):
        raise ImproperlyConfigured(
            f"CORS_ALLOWED_ORIGINS: number {_number} is no origin as a browser sends it. Set scheme://host or "
            "scheme://host:port, in lower case: no path, no slash at the end, no wildcard, no null, no default port."
        )

# --- limits ----------------------------------------------------------------------------------------------------------

STREAM_LIMIT = _whole("STREAM_LIMIT", 3, 0, MAX_LIMIT)
WHEN_FULL = _choice("WHEN_FULL", "deny", "evict-oldest")
LEASE_SECONDS = _whole("LEASE_SECONDS", 60, 5, 3600)
WHEN_STORE_IS_DOWN = _choice("WHEN_STORE_IS_DOWN", "closed", "open")
"""Whether starts are refused while DynamoDB does not answer, or given grace leases."""
MAX_GRACE_STREAMS = _whole("GRACE_STREAMS_AT_MOST", STREAM_LIMIT, 0, MAX_LIMIT)
"""How many of those a user gets of one process."""
PLANS = Plans(
    default=Plan(
        limit=STREAM_LIMIT,
        lease_ms=LEASE_SECONDS * 1000,
        when_full=WhenFull(WHEN_FULL),
    )
)
"""The default plan, which knows the others. A relative file is beside `manage.py`."""
SHADOW_PLANS: Plans | None = None
"""Plans that decide nothing: what they would have decided is recorded."""
if _file := os.environ.get("SHADOW_PLANS", "").strip():
    SHADOW_PLANS = read_plans("SHADOW_PLANS", BASE_DIR / _file, default=PLANS.default)
if _file := os.environ.get("PLANS", "").strip():
    PLANS = read_plans("PLANS", BASE_DIR / _file, default=PLANS.default)
PLANS_LOOK_AT_NETWORKS = look_at(PLANS, "network") or look_at(SHADOW_PLANS, "network")
TRUSTED_PROXIES = _whole("TRUSTED_PROXIES", 0, 0, 10)
"""How many proxies add to `X-Forwarded-For`, so that the caller is that many from the right; 0: whoever connects."""

EDGE_TOKEN_GRACE_SECONDS = _whole("EDGE_TOKEN_GRACE_SECONDS", 20, 0, 20)
"""How long after the next heartbeat is due an edge token is good: for how long a heartbeat may be late."""
LONGEST_LEASE_MS = max(
    max(plan.lease_ms, plan.relaxed_lease_ms or 0) for plan in PLANS.all
)
"""Of a stream that plays. One that was paused may have more left; its next heartbeat is due no later for that."""
EDGE_TOKEN_MS = LONGEST_LEASE_MS // 3 + EDGE_TOKEN_GRACE_SECONDS * 1000
"""The life of an edge token, at the longest."""
MINT_BURST = _whole("MINT_BURST", 6, 1, 1000)
"""So many streams of a user may start at once, one after the other;"""
MINT_INTERVAL_MS = round(
    1000
    * _seconds(
        "MINT_INTERVAL_SECONDS", min(5.0, math.ceil(EDGE_TOKEN_MS / 11) / 1000), 0, 3600
    )
)
"""then one every so often, or as often as they like at 0. Whoever watches meets neither."""
PLANS = replace(
    PLANS, start_rate=StartRate(burst=MINT_BURST, interval_ms=MINT_INTERVAL_MS)
)

# --- authentication --------------------------------------------------------------------------------------------------

API_KEYS = api_keys(_list("API_KEYS"))
"""Back ends' keys, of which only the hashes are known."""
AUTH_JWT_SECRETS = _list("AUTH_JWT_SECRETS")
"""Secrets shared with the identity provider (HS256), several while one replaces another."""
AUTH_JWKS = os.environ.get("AUTH_JWKS", "").strip()
"""Or its published keys (RS256, ES256): a URL, or a file."""
AUTH_KEY_SOURCE = "streams_project.published_keys.keys_of"
"""What has the key of an id, given those: `get(id)`."""
AUTH_ALGORITHMS = ["HS256"] if AUTH_JWT_SECRETS else ["RS256", "ES256"]
AUTH_ISSUER = os.environ.get("AUTH_ISSUER", "").strip()
AUTH_AUDIENCE = os.environ.get("AUTH_AUDIENCE", "").strip()
AUTH_SCOPE_CLAIMS = ["scope", "scp", *_list("AUTH_PERMISSIONS_CLAIM")]
"""The claims that hold a caller's scopes; Auth0's `permissions` is not among them until it is configured."""
AUTH_TRUST_STREAM_LIMIT = _flag("AUTH_TRUST_STREAM_LIMIT")
"""Whether the issuer's claim `stream_limit` is a limit that goes before every other."""
AUTH_TRUST_STREAM_PLAN = _flag("AUTH_TRUST_STREAM_PLAN")
"""Whether its claim `stream_plan` names a plan that goes before a stored one."""

if AUTH_JWT_SECRETS and AUTH_JWKS:
    raise ImproperlyConfigured(
        "AUTH_JWT_SECRETS and AUTH_JWKS are both set. Keep the one the identity provider uses."
    )
check_secrets("AUTH_JWT_SECRETS", AUTH_JWT_SECRETS)
if (AUTH_JWT_SECRETS or AUTH_JWKS) and not (AUTH_ISSUER and AUTH_AUDIENCE):
    raise ImproperlyConfigured(
        "AUTH_ISSUER and AUTH_AUDIENCE must say whose bearer tokens are taken, and made for whom."
    )
if AUTH_JWKS:
    if "://" in AUTH_JWKS and not (AUTH_JWKS.startswith("https://") or DEBUG):
        raise ImproperlyConfigured("AUTH_JWKS must be an https:// URL, or a file.")
    if "://" not in AUTH_JWKS and not Path(AUTH_JWKS).is_file():
        raise ImproperlyConfigured(
            "AUTH_JWKS names a file that is not there. Set it to an https:// URL, or a file."
        )
    if find_spec("cryptography") is None:
        raise ImproperlyConfigured(
            "AUTH_JWKS needs the package cryptography: install requirements-jwks.txt too."
        )
    if "://" in AUTH_JWKS and find_spec("pycurl") is None:
        raise ImproperlyConfigured(
            "AUTH_JWKS at a URL needs the package pycurl: pip install pycurl, or set a file."
        )
IS_AUTHENTICATED = bool(API_KEYS or AUTH_JWT_SECRETS or AUTH_JWKS)
OPEN_ACCESS = DEBUG and not IS_AUTHENTICATED
"""Whether everyone may call everything: local development only, until an authentication is configured."""
if not IS_AUTHENTICATED and not DEBUG:
    raise ImproperlyConfigured(
        "No authentication is configured. Set AUTH_JWT_SECRETS or AUTH_JWKS (bearer tokens of viewers), or API_KEYS "
        "(back ends). For local development set DEBUG=1 instead."
    )

# --- players' tokens -------------------------------------------------------------------------------------------------

LOCAL_TOKEN_KEY = "local-development-only-local-development-only"  # noqa: S105
"""Known to everyone who reads this."""
LEASE_TOKEN_KEYS = _list("LEASE_TOKEN_KEYS") or ([LOCAL_TOKEN_KEY] if DEBUG else [])
"""The first signs, all verify: put a new key first, and drop the old one a lease later."""
if not LEASE_TOKEN_KEYS:
    raise ImproperlyConfigured(
        "LEASE_TOKEN_KEYS must hold one key or more, comma-separated, each of at least 32 characters. They sign the "
        f"lease tokens. {MAKE_ONE} For local development set DEBUG=1 instead."
    )
check_secrets("LEASE_TOKEN_KEYS", LEASE_TOKEN_KEYS)
if not DEBUG and LOCAL_TOKEN_KEY in LEASE_TOKEN_KEYS + AUTH_JWT_SECRETS:
    raise ImproperlyConfigured(
        "The local development's token key is public. Make LEASE_TOKEN_KEYS anew."
    )

# --- edge tokens -----------------------------------------------------------------------------------------------------

_edge_keys = edge_keys.texts(_list("EDGE_TOKEN_KEYS"))
EDGE_TOKEN_KEYS = edge_keys.edge_keys(_edge_keys)
"""The first signs; who checks takes them all."""
EDGE_TOKEN_ISSUER = os.environ.get("EDGE_TOKEN_ISSUER", "").strip()
EDGE_TOKEN_AUDIENCE = os.environ.get("EDGE_TOKEN_AUDIENCE", "").strip()
EDGE_TOKEN_SUBJECT = _choice("EDGE_TOKEN_SUBJECT", "hash", "plain")
"""Whether edge tokens name users as they are, or by a keyed hash."""
if EDGE_TOKEN_KEYS and not (EDGE_TOKEN_ISSUER and EDGE_TOKEN_AUDIENCE):
    raise ImproperlyConfigured(
        "EDGE_TOKEN_ISSUER and EDGE_TOKEN_AUDIENCE must say who issues edge tokens (this service's URL), and for whom "
        "(the CDN's host name)."
    )
check_purposes(
    {
        "LEASE_TOKEN_KEYS": LEASE_TOKEN_KEYS,
        "AUTH_JWT_SECRETS": AUTH_JWT_SECRETS,
        "EDGE_TOKEN_KEYS": _edge_keys,
    },
    API_KEYS,
)
_published = Path(AUTH_JWKS).read_text() if AUTH_JWKS and "://" not in AUTH_JWKS else ""
if any(key.public and key.public["x"] in _published for key in EDGE_TOKEN_KEYS):
    raise ImproperlyConfigured(
        "EDGE_TOKEN_KEYS and AUTH_JWKS share a key, so that an edge token could be taken for a viewer's. Make one for "
        "each purpose: manage.py keys new es256"
    )

# --- DynamoDB --------------------------------------------------------------------------------------------------------

DYNAMODB_TABLE = os.environ.get("DYNAMODB_TABLE", "UserStreams")
DYNAMODB_ENDPOINT = (
    os.environ.get("DYNAMODB_ENDPOINT")
    or os.environ.get("AWS_ENDPOINT_URL_DYNAMODB")
    or os.environ.get("AWS_ENDPOINT_URL")
    or None
)
"""Another DynamoDB than Amazon's: a local engine."""
AWS_REGION = (
    os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-west-1"
)
AWS_CA_BUNDLE = os.environ.get("AWS_CA_BUNDLE") or None
DYNAMODB_TRANSPORT = _choice("DYNAMODB_TRANSPORT", "curl", "botocore")
"""What sends the calls: libcurl, or PynamoDB's own client."""
DYNAMODB_CONNECT_SECONDS, DYNAMODB_CALL_SECONDS = 1, 2
"""For a connection, and for one try at a call with it."""
DEADLINE_SECONDS = 8
"""For a request, all its calls, repeats and pauses together: under Lambda's 10 and API Gateway's 29 seconds."""
if DYNAMODB_TRANSPORT == "curl" and find_spec("pycurl") is None:
    raise ImproperlyConfigured(
        "DYNAMODB_TRANSPORT=curl needs the package pycurl: pip install pycurl, or set DYNAMODB_TRANSPORT=botocore."
    )


def _aws_keys() -> tuple[str, str, str | None] | None:
    id, secret = (
        os.environ.get("AWS_ACCESS_KEY_ID"),
        os.environ.get("AWS_SECRET_ACCESS_KEY"),
    )
    if id and secret:
        return id, secret, os.environ.get("AWS_SESSION_TOKEN")
    # A local engine takes any, so none need be configured for it.
    return (
        ("local", "local", None)
        if DYNAMODB_ENDPOINT and not os.environ.get("AWS_PROFILE")
        else None
    )


AWS_KEYS = _aws_keys()
"""Key, secret and token as Lambda gives them; None where botocore has to look for them: a profile, a role."""

# --- Django ----------------------------------------------------------------------------------------------------------

SECRET_KEY = secrets.token_urlsafe(48)
"""Django wants one. Nothing is signed with it: no sessions, no cookies; players' tokens have keys of their own."""

INSTALLED_APPS = [
    "streams",
    *(
        ["streams.browsable", "drf_spectacular_sidecar"] if BROWSABLE_API else []
    ),  # the sidecar is Swagger UI's files
    "rest_framework",
    *(["corsheaders"] if CORS_ALLOWED_ORIGINS else []),
    # What never ships: the commands of whoever deploys, of whoever looks back, and of local development.
    *(
        app
        for app in ("capacity", "deploy", "insights", "reporting")
        if (BASE_DIR / app).is_dir()
    ),
    *(
        ["streams_project"]
        if (BASE_DIR / "streams_project" / "management").is_dir()
        else []
    ),
    "django.contrib.staticfiles",
]
LOG_REQUESTS = _flag("LOG_REQUESTS")
"""Whether each answer leaves a line in the log: method, route, status, time."""
MIDDLEWARE = [
    *(["streams_project.requests.logged"] if LOG_REQUESTS else []),
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "streams.middleware.never_stored",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "streams.middleware.bounded_path",
    "streams.middleware.only_allowed_hosts",
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if BROWSABLE_API else []),
]
MAX_PATH_CHARACTERS = 1024
"""Two ids of 255 characters fit, with room for what stands between them. It counts decoded."""
DATA_UPLOAD_MAX_NUMBER_FIELDS = 32
"""Of a query string. Django refuses more before it takes them apart."""
CORS_ALLOW_HEADERS = [
    *("accept", "authorization", "content-type", "idempotency-key"),
    # What tracing adds to every request of a page; without leave for them the browser would not send the request.
    *(
        "baggage",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "x-amzn-trace-id",
        "x-request-id",
    ),
    *_list("CORS_ALLOW_HEADERS"),
]
CORS_EXPOSE_HEADERS = ["date", "expires", "location", "retry-after"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 0 if DEBUG else 63_072_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_REFERRER_POLICY = "no-referrer"
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # no cookies, so nothing a forged request could ride on
    "security.W008",  # API Gateway takes https only
]
ROOT_URLCONF = "streams_project.urls"
WSGI_APPLICATION = "streams_project.wsgi.application"
APPEND_SLASH = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

TEST_RUNNER = "tests.runner.PytestRunner"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"]
        },
    }
]
STATIC_URL = "static/"
STORAGES = {
    "staticfiles": {"BACKEND": "streams_project.storage.PrefixedStaticFilesStorage"}
}
STATICFILES_DIRS = [("client", BASE_DIR / "clients" / "web")]
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["streams.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "streams.renderers.JSONRenderer",
        *(["streams.browsable.renderers.PageRenderer"] if BROWSABLE_API else []),
    ],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        *(
            ["streams.authentication.BearerAuthentication"]
            if AUTH_JWT_SECRETS or AUTH_JWKS
            else []
        ),
        *(["streams.authentication.ApiKeyAuthentication"] if API_KEYS else []),
    ],
    "DEFAULT_PERMISSION_CLASSES": ["streams.permissions.MayUseStreams"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "streams.negotiation.JSONOrPage",
    "EXCEPTION_HANDLER": "streams.problems.respond",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

_IS_KEPT = DEBUG and DYNAMODB_ENDPOINT and "insights" in INSTALLED_APPS
EVENTS = _choice("EVENTS", *(["sqlite"] if _IS_KEPT else []), "off", "log")
"""Where each decision is told: nowhere, in a line of JSON on standard output, or in local development in an SQLite file
that `manage.py why` and `manage.py report` read."""
WHY_PAGE = EVENTS == "sqlite" and BROWSABLE_API and OPEN_ACCESS
"""Whether the console has a page of what was decided for a user."""
EVENTS_SAMPLE_RENEWALS = _whole("EVENTS_SAMPLE_RENEWALS", 1, 1, 1000)
"""One heartbeat in so many is told, and counts for all of them."""
METRICS = _choice("METRICS", "off", "emf", "prometheus")
"""What counts them: nothing, CloudWatch by its embedded metric format in the same line, or Prometheus at `/metrics`."""
PROMETHEUS_MULTIPROC_DIR = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
"""Where the processes of one server add up what Prometheus is told; each must be able to write there."""
if METRICS == "prometheus":
    if os.environ.get("AWS_LAMBDA_FUNCTION_NAME"):
        raise ImproperlyConfigured(
            "METRICS=prometheus is for servers that are asked for their metrics, and an instance on Lambda is not. Set "
            "METRICS=emf."
        )
    if find_spec("prometheus_client") is None:
        raise ImproperlyConfigured(
            "METRICS=prometheus needs the package prometheus-client: pip install prometheus-client."
        )
    if PROMETHEUS_MULTIPROC_DIR and not os.access(PROMETHEUS_MULTIPROC_DIR, os.W_OK):
        raise ImproperlyConfigured(
            f"PROMETHEUS_MULTIPROC_DIR is {PROMETHEUS_MULTIPROC_DIR!r}, which is no folder that can be written to. "
            "Make it, empty, before the server starts, or leave it out for one process."
        )
EVENT_SINKS = [
    *(["streams_project.events.line"] if EVENTS == "log" or METRICS == "emf" else []),
    *(["insights.store.append"] if EVENTS == "sqlite" else []),
    *(["streams_project.prometheus.count"] if METRICS == "prometheus" else []),
]
LOG_USER_IDS = _flag("LOG_USER_IDS")
"""Whether log lines name users as they are, and not by a keyed hash."""
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "streams_project.logs.TextFormatter"},
        "json": {"()": "streams_project.logs.JSONFormatter"},
    },
    "filters": {
        "access": {"()": "streams_project.logs.AccessLine"},
        "failures": {"()": "streams_project.logs.FailuresOnly"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": _choice("LOG_FORMAT", "text", "json"),
        }
    },
    "loggers": {
        "botocore": {"level": "WARNING"},  # not where it found its credentials
        "pynamodb": {"level": "WARNING"},
        "django.request": {
            "level": "ERROR",
            "filters": ["failures"],
        },  # a refusal is an answer; only a failure is news
        "django.server": {
            "handlers": ["console"],
            "level": "INFO",
            "propagate": False,
            "filters": ["access"],
        },
        "streams.audit": {"level": "INFO"},  # whatever LOG_LEVEL says
        "zappa.handler": {"level": "WARNING"},
        "zappa.wsgi": {
            "level": "WARNING"
        },  # an access log with paths, addresses and query strings
    },
    "root": {
        "handlers": ["console"],
        "level": _choice("LOG_LEVEL", "INFO", "DEBUG", "WARNING", "ERROR"),
    },
}
