"""Every setting, read from the environment once, typed and checked here. Nothing reads the environment elsewhere.

A wrong value stops the process at start with the variable's name and what to set.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def _read[Value](name: str, default: Value, convert: Callable[[str], Value], what: str) -> Value:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        return convert(text)
    except (ValueError, KeyError) as exc:
        raise ImproperlyConfigured(f"{name} is {text!r}. Set it to {what}, or leave it out for {default!r}.") from exc


def _flag(name: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    return _read(name, False, lambda text: words[text.lower()], "1 or 0")


def _whole(name: str, default: int, low: int, high: int) -> int:
    def convert(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return _read(name, default, convert, f"a whole number from {low} to {high}")


def _choice(name: str, *choices: str) -> str:
    return _read(name, choices[0], dict(zip(choices, choices, strict=True)).__getitem__, f"one of {', '.join(choices)}")


def _list(name: str) -> list[str]:
    return [part.strip() for part in os.environ.get(name, "").split(",") if part.strip()]


# --- where it runs ---------------------------------------------------------------------------------------------------

DEBUG = _flag("DEBUG")
"""Local development: keys made up on the spot, and open access."""
OPEN_ACCESS = DEBUG
"""Whether everyone may call everything."""
ALLOWED_HOSTS = _list("ALLOWED_HOSTS") or (["localhost", "127.0.0.1", "[::1]", ".localhost"] if DEBUG else [])

# --- limits ----------------------------------------------------------------------------------------------------------

HIGHEST_LIMIT = 100
"""More slots than this and a user's item would outgrow what one conditional write is meant for."""
STREAM_LIMIT = _whole("STREAM_LIMIT", 3, 0, HIGHEST_LIMIT)
WHEN_FULL = _choice("WHEN_FULL", "deny", "evict-oldest")
LEASE_SECONDS = _whole("LEASE_SECONDS", 60, 5, 3600)

# --- lease tokens ----------------------------------------------------------------------------------------------------

LEASE_TOKEN_KEYS = _list("LEASE_TOKEN_KEYS") or (["local-development-only-local-development-only"] if DEBUG else [])
"""The first signs, all verify: put a new key first, and drop the old one a lease later."""
if not LEASE_TOKEN_KEYS or any(len(key) < 32 for key in LEASE_TOKEN_KEYS):
    raise ImproperlyConfigured(
        "LEASE_TOKEN_KEYS must hold one key or more, comma-separated, each of at least 32 characters. They sign the "
        "lease tokens. Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'. "
        "For local development set DEBUG=1 instead."
    )

# --- DynamoDB --------------------------------------------------------------------------------------------------------

DYNAMODB_TABLE = os.environ.get("DYNAMODB_TABLE", "UserStreams")
DYNAMODB_ENDPOINT = os.environ.get("DYNAMODB_ENDPOINT") or None
"""Another DynamoDB than Amazon's: a local engine."""
AWS_REGION = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-west-1"
AWS_CREDENTIALS_GIVEN = bool(os.environ.get("AWS_ACCESS_KEY_ID") or os.environ.get("AWS_PROFILE"))

# --- Django ----------------------------------------------------------------------------------------------------------

SECRET_KEY = secrets.token_urlsafe(48)
"""Django wants one. Nothing is signed with it: no sessions, no cookies; lease tokens have keys of their own."""

INSTALLED_APPS = ["streams", "rest_framework", "django.contrib.staticfiles"]
MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware"]
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
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
STORAGES = {"staticfiles": {"BACKEND": "streams_project.storage.PrefixedStaticFilesStorage"}}
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["streams.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "streams.negotiation.PlayersFirst",
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["streams.permissions.OpenInLocalDevelopment"],
    "EXCEPTION_HANDLER": "streams.problems.respond",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "pynamodb": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},  # a refusal is an answer; only a failure is news
    },
    "root": {"handlers": ["console"], "level": _choice("LOG_LEVEL", "INFO", "DEBUG", "WARNING", "ERROR")},
}
