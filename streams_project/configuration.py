"""Turns the environment into Django's settings, and refuses unsafe combinations."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from streams import setting_checks
from streams.conf import NAMES, Settings, sinks
from streams.credentials import HOW_TO_GENERATE, LOCAL_TOKEN_KEY
from streams_project import environment
from streams_project.cross_origin import ALLOWED_HEADERS
from streams_project.references import resolved

BASE_DIR = Path(__file__).resolve().parent.parent

LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]", ".localhost"]
LOCAL_EVENT_SINK = "insights.store.append"
SCOPE_CLAIMS = ["scope", "scp"]

type Values = Mapping[str, Any]


def configured(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the names and values of the settings that the environment sets.

    Raises:
        ImproperlyConfigured: a value is not valid, missing or unsafe.
    """
    environ = {**environ, **resolved(environ)}
    values = environment.read(environ)
    is_debug: bool = values.get("DEBUG", False)
    is_on_lambda = bool(environ.get("AWS_LAMBDA_FUNCTION_NAME"))

    settings = {name: value for name, value in values.items() if name in NAMES}
    settings |= _local_development(values, is_on_lambda=is_on_lambda)
    settings |= _plans(values)
    settings |= _authentication(values, is_debug=is_debug)
    settings |= _aws_keys(values, has_profile=bool(environ.get("AWS_PROFILE")))
    settings |= _events(values, is_debug=is_debug, is_on_lambda=is_on_lambda)
    settings |= _logs(values)
    settings["RELEASE_VERSION"] = _release_version()
    settings["WHY_PAGE"] = (
        settings["KEEPS_EVENTS"]
        and settings["BROWSABLE_API"]
        and settings["OPEN_ACCESS"]
    )

    app_settings = Settings(SimpleNamespace(**settings))
    setting_checks.check(app_settings)
    settings["AUTHENTICATION_CLASSES"] = app_settings.AUTHENTICATION_CLASSES
    if not is_debug and not settings["IS_AUTHENTICATED"]:
        raise ImproperlyConfigured(
            "Authentication is not configured. Set AUTH_JWT_SECRETS or AUTH_JWKS "
            "(viewers' bearer tokens) or API_KEYS (back ends). For local development, "
            "set DEBUG=1."
        )
    return settings


def reconfigure(changes: Mapping[str, str | None]) -> None:
    """Change environment variables, and the settings of this process with them.

    None removes a variable. A command uses this before its first call to DynamoDB.

    Raises:
        ImproperlyConfigured: a value is not valid, missing or unsafe.
    """
    from django.conf import settings as django_settings

    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    new = configured(os.environ)
    for name in {*NAMES, *new}:
        before = getattr(django_settings, name, None)
        if name in new:
            setattr(django_settings, name, new[name])
        elif hasattr(django_settings, name):
            delattr(django_settings, name)
        if before != new.get(name):
            setting_changed.send(
                sender=Settings, setting=name, value=new.get(name), enter=True
            )


def exit_command(error: ImproperlyConfigured) -> None:
    """Exit with the error as one line if this process is a management command.

    A server raises the error instead, so that its log contains the traceback.
    """
    program = Path(sys.argv[0])
    is_command = program.name in ("manage.py", "django-admin")
    is_module = program.name == "__main__.py" and program.parent.name == "django"
    if is_command or is_module:
        sys.exit(" ".join(str(error).split()))


def _local_development(values: Values, *, is_on_lambda: bool) -> dict[str, Any]:
    """Return what local development supplies, and production must configure."""
    is_debug: bool = values.get("DEBUG", False)
    if is_debug and is_on_lambda:
        raise ImproperlyConfigured(
            "DEBUG is 1, which is for local development. Unset DEBUG on AWS Lambda."
        )
    _check_hosts(values, is_debug=is_debug)
    _check_token_keys(values, is_debug=is_debug)

    settings: dict[str, Any] = {
        "DEBUG": is_debug,
        "ALLOWED_HOSTS": values.get("ALLOWED_HOSTS", LOOPBACK_HOSTS),
        "LEASE_TOKEN_KEYS": values.get("LEASE_TOKEN_KEYS", [LOCAL_TOKEN_KEY]),
        "BROWSABLE_API": values.get("BROWSABLE_API", is_debug),
        "LOCAL_STATE_DIR": Path(values.get("LOCAL_STATE_DIR", BASE_DIR / ".local")),
        "CORS_ALLOWED_ORIGINS": values.get("CORS_ALLOWED_ORIGINS", []),
        "CORS_ALLOW_HEADERS": [
            *ALLOWED_HEADERS,
            *values.get("CORS_ALLOW_HEADERS", []),
        ],
        "PRIVATE_NETWORK": values.get("PRIVATE_NETWORK", False),
    }
    return settings


def _check_hosts(values: Values, *, is_debug: bool) -> None:
    hosts = values.get("ALLOWED_HOSTS", [])
    if not hosts and not is_debug:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS is not set. List the host names that clients use, separated "
            "by commas (.execute-api.eu-west-1.amazonaws.com, streams.example.com). "
            "For local development, set DEBUG=1."
        )
    if "*" in hosts and not is_debug:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS=* accepts every host. List the host names that clients use."
        )


def _check_token_keys(values: Values, *, is_debug: bool) -> None:
    keys = values.get("LEASE_TOKEN_KEYS", [])
    if not keys and not is_debug:
        raise ImproperlyConfigured(
            "LEASE_TOKEN_KEYS is not set. List one or more keys of at least 32 "
            "characters, separated by commas. They sign the players' tokens. "
            f"{HOW_TO_GENERATE}. For local development, set DEBUG=1."
        )


def _plans(values: Values) -> dict[str, Any]:
    return {
        name: str(BASE_DIR / values[name])
        for name in ("PLANS", "SHADOW_PLANS")
        if name in values
    }


def _authentication(values: Values, *, is_debug: bool) -> dict[str, Any]:
    names = ("API_KEYS", "AUTH_JWT_SECRETS", "AUTH_JWKS")
    is_authenticated = any(values.get(name) for name in names)
    return {
        "API_KEYS": [*values.get("API_KEYS", []), *values.get("RELEASE_KEY", [])],
        "IS_AUTHENTICATED": is_authenticated,
        "OPEN_ACCESS": is_debug and not is_authenticated,
        "AUTH_SCOPE_CLAIMS": [
            *SCOPE_CLAIMS,
            *values.get("AUTH_PERMISSIONS_CLAIM", []),
        ],
    }


def _aws_keys(values: Values, *, has_profile: bool) -> dict[str, Any]:
    """Return the credentials of the environment, or those of a local engine.

    A local engine accepts any credentials. Otherwise botocore finds them.
    """
    id = values.get("AWS_ACCESS_KEY_ID")
    secret = values.get("AWS_SECRET_ACCESS_KEY")
    keys = None
    if id and secret:
        keys = (id, secret, values.get("AWS_SESSION_TOKEN"))
    elif "DYNAMODB_ENDPOINT" in values and not has_profile:
        keys = ("local", "local", None)
    return {"AWS_KEYS": keys}


def _events(values: Values, *, is_debug: bool, is_on_lambda: bool) -> dict[str, Any]:
    """Return the sinks: a local engine's events are kept in a file."""
    metrics = values.get("METRICS", "off")
    if metrics == "prometheus" and is_on_lambda:
        raise ImproperlyConfigured(
            "METRICS=prometheus does not work on Lambda, because Prometheus cannot "
            "scrape an instance. Set METRICS=emf."
        )

    has_insights = (BASE_DIR / "insights").is_dir()
    can_keep = is_debug and has_insights and "DYNAMODB_ENDPOINT" in values
    events = values.get("EVENTS", "sqlite" if can_keep else "off")
    if events != "sqlite":
        return {"EVENTS": events, "KEEPS_EVENTS": False}
    if not can_keep:
        raise ImproperlyConfigured(
            "EVENTS is 'sqlite'. Set it to one of off, log: sqlite requires DEBUG=1 "
            "and a local DynamoDB."
        )

    event_sinks = [LOCAL_EVENT_SINK, *sinks(events="off", metrics=metrics)]
    return {"EVENTS": "off", "KEEPS_EVENTS": True, "EVENT_SINKS": event_sinks}


def _release_version() -> str:
    """Return the version and commit that a package and an image contain."""
    file = BASE_DIR / "release.json"
    if not file.is_file():
        return "development"

    release = json.loads(file.read_text())
    commit: str = release["commit"][:12]
    if release["commit"].endswith("-dirty"):
        commit += "-dirty"
    return "+".join(filter(None, (release["version"], commit)))


def _logs(values: Values) -> dict[str, Any]:
    return {
        "LOG_FORMAT": values.get("LOG_FORMAT", "text"),
        "LOG_LEVEL": values.get("LOG_LEVEL", "INFO"),
        "LOG_REQUESTS": values.get("LOG_REQUESTS", False),
    }
