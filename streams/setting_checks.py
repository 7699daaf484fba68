"""Checks that the settings are valid, and that they fit together.

Runs once, at start-up. Every error is `ImproperlyConfigured`.
"""

import os
from importlib.util import find_spec
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from streams.conf import NAMES, Settings
from streams.credentials import (
    LOCAL_TOKEN_KEY,
    check_purposes,
    check_secrets,
)


def check(settings: Settings) -> None:
    """Read every setting, and refuse one that is invalid or contradicts another."""
    for name in NAMES:
        getattr(settings, name)

    check_secrets("AUTH_JWT_SECRETS", settings.AUTH_JWT_SECRETS)
    check_secrets("LEASE_TOKEN_KEYS", _secret_token_keys(settings))
    check_secrets("HASH_KEY", _own_hash_key(settings))
    _check_bearer_tokens(settings)
    _check_edge_tokens(settings)
    _check_purposes(settings)
    _check_packages(settings)
    _check_metrics(settings)


def _secret_token_keys(settings: Settings) -> list[str]:
    """Return the keys that must be secret: all but that of local development."""
    keys = settings.LEASE_TOKEN_KEYS
    if not settings.is_configured("LEASE_TOKEN_KEYS"):
        # Django generates random text after this prefix.
        keys = [key.removeprefix("django-insecure-") for key in keys]
    is_local = settings.configured("DEBUG") and keys == [LOCAL_TOKEN_KEY]
    return [] if is_local else keys


def _own_hash_key(settings: Settings) -> list[str]:
    """Return the key of hashes, unless it is one of the keys of tokens."""
    is_own = settings.HASH_KEY not in settings.LEASE_TOKEN_KEYS
    return [settings.HASH_KEY] if is_own else []


def _check_bearer_tokens(settings: Settings) -> None:
    if settings.AUTH_JWT_SECRETS and settings.AUTH_JWKS:
        raise ImproperlyConfigured(
            "AUTH_JWT_SECRETS and AUTH_JWKS are both set. "
            "Keep the one that your identity provider uses."
        )

    accepts_tokens = settings.AUTH_JWT_SECRETS or settings.AUTH_JWKS
    if accepts_tokens and not (settings.AUTH_ISSUER and settings.AUTH_AUDIENCE):
        raise ImproperlyConfigured(
            "AUTH_ISSUER or AUTH_AUDIENCE is not set. "
            "Set them to the `iss` and `aud` of the bearer tokens to accept."
        )
    if settings.AUTH_JWKS:
        _check_key_source(settings)


def _check_key_source(settings: Settings) -> None:
    source = settings.AUTH_JWKS
    is_url = "://" in source
    is_secure = source.startswith("https://") or settings.configured("DEBUG")
    if is_url and not is_secure:
        raise ImproperlyConfigured(
            "AUTH_JWKS is a URL without TLS. Set it to an https:// URL or a file."
        )
    if not is_url and not Path(source).is_file():
        raise ImproperlyConfigured(
            "AUTH_JWKS names a file that does not exist. "
            "Set it to an https:// URL or a file."
        )


def _check_edge_tokens(settings: Settings) -> None:
    if not settings.EDGE_TOKEN_KEYS:
        return
    if not (settings.EDGE_TOKEN_ISSUER and settings.EDGE_TOKEN_AUDIENCE):
        raise ImproperlyConfigured(
            "EDGE_TOKEN_ISSUER or EDGE_TOKEN_AUDIENCE is not set. Set the issuer "
            "(this service's URL) and the audience (the CDN's host name) of edge "
            "tokens."
        )

    published = ""
    if settings.AUTH_JWKS and "://" not in settings.AUTH_JWKS:
        published = Path(settings.AUTH_JWKS).read_text()
    for key in settings.EDGE_TOKEN_KEYS:
        if key.public and key.public["x"] in published:
            raise ImproperlyConfigured(
                "EDGE_TOKEN_KEYS and AUTH_JWKS share a key, so an edge token could "
                "pass as a viewer's token. "
                "Create a separate key: manage.py keys new es256"
            )


def _check_purposes(settings: Settings) -> None:
    edge_keys = [key.private for key in settings.EDGE_TOKEN_KEYS if not key.public]
    secrets = {
        "LEASE_TOKEN_KEYS": settings.LEASE_TOKEN_KEYS,
        "HASH_KEY": _own_hash_key(settings),
        "AUTH_JWT_SECRETS": settings.AUTH_JWT_SECRETS,
        "EDGE_TOKEN_KEYS": edge_keys,
    }
    check_purposes(secrets, settings.API_KEYS)


def _check_packages(settings: Settings) -> None:
    if settings.AUTH_JWKS and find_spec("cryptography") is None:
        raise ImproperlyConfigured(
            "AUTH_JWKS requires the package cryptography. "
            "Install requirements-jwks.txt."
        )
    if find_spec("pycurl") is None:
        if settings.DYNAMODB_TRANSPORT == "curl":
            raise ImproperlyConfigured(
                "DYNAMODB_TRANSPORT=curl requires the package pycurl. "
                "Install pycurl, or set DYNAMODB_TRANSPORT=botocore."
            )
        if "://" in settings.AUTH_JWKS:
            raise ImproperlyConfigured(
                "AUTH_JWKS with a URL requires the package pycurl. "
                "Install pycurl, or set a file."
            )
    if settings.METRICS == "prometheus" and find_spec("prometheus_client") is None:
        raise ImproperlyConfigured(
            "METRICS=prometheus requires the package prometheus-client. "
            "Install prometheus-client."
        )


def _check_metrics(settings: Settings) -> None:
    folder = settings.PROMETHEUS_MULTIPROC_DIR
    is_used = settings.METRICS == "prometheus" and folder
    if is_used and not os.access(folder, os.W_OK):
        raise ImproperlyConfigured(
            f"PROMETHEUS_MULTIPROC_DIR is {folder!r}, which is not a writable folder. "
            "Create an empty folder before the server starts, or unset it for a "
            "single process."
        )
