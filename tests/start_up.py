"""The settings in an environment, and the errors that stop start-up."""

import hashlib
import os
import secrets
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from streams.conf import Settings
from streams_project.configuration import configured
from streams_project.environment import VARIABLES


def sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


SECRET = secrets.token_urlsafe(32)
OTHER_SECRET = secrets.token_urlsafe(32)
API_KEY = f"billing:{sha256('the-key')}:streams:operate"
PRODUCTION = {
    "ALLOWED_HOSTS": "streams.example.com",
    "API_KEYS": API_KEY,
    "LEASE_TOKEN_KEYS": SECRET,
}
BEARER = {"AUTH_ISSUER": "https://id.example.com", "AUTH_AUDIENCE": "streams"}
EDGE = {
    "EDGE_TOKEN_ISSUER": "https://streams.example.com",
    "EDGE_TOKEN_AUDIENCE": "cdn.example.com",
}


class StartedSettings(Settings):
    """The app's settings, and the other settings of the project."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


def started(environment: dict[str, str]) -> StartedSettings:
    """Return the settings of a process with this environment."""

    class Source:
        pass

    source = Source()
    vars(source).update(configured(environment))
    return StartedSettings(source)


def assert_refused(environment: dict[str, str], *parts: str, hidden: list[str]) -> str:
    """Return the error, which contains the parts, and no hidden text.

    Neither do its causes, which a traceback shows.
    """
    with pytest.raises(ImproperlyConfigured) as refused:
        configured(environment)

    message = str(refused.value)
    assert all(part in message for part in parts), message
    error = refused.value
    shown = repr((error, error.__cause__, error.__context__))
    assert not any(value in shown for value in hidden), shown
    return message


def unconfigured() -> dict[str, str]:
    """Return this process's environment without the variables of the service.

    Those by which `make` knows that it runs inside another `make` are left out too.
    """
    names = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", *VARIABLES}
    for variable in VARIABLES.values():
        names.update(variable.aliases)
    return {name: value for name, value in os.environ.items() if name not in names}
