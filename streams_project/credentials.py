"""Keys and secrets from the environment, checked at start: what is refused is named, and no part of it is printed."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

SCOPES = {"streams:operate", "streams:admin"}
API_KEYS_ARE = (
    "API_KEYS must be name:sha256:scopes, comma-separated, such as "
    "'billing:<64 hex digits>:streams:operate streams:admin'"
)
MAKE_ONE = (
    "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'."
)
SECRET_AT_LEAST_CHARACTERS = 32
SECRET_AT_LEAST_STEPS = 16
"""Random text of 32 hexadecimal digits has about 30 different pairs of steps, a word four times over half as many."""
PUBLIC_KEY = re.compile(
    r'-----BEGIN |(ssh|ecdsa|sk)-\S+ |MII[\w+/]{150}|MFkwEwYHKoZIzj0|MCowBQYDK2V|.*"kty"'
)
"""PEM, SSH, base64 of DER (RSA, elliptic curves), a JWK."""


class ApiKey(NamedTuple):
    """A back end's key: only its hash is known."""

    name: str
    sha256: str
    scopes: frozenset[str]


def api_keys(texts: Iterable[str]) -> list[ApiKey]:
    """The keys of `API_KEYS`."""
    keys = [_api_key(number, text) for number, text in enumerate(texts, start=1)]
    for what, values in {
        "name": [key.name for key in keys],
        "key": [key.sha256 for key in keys],
    }.items():
        if len(set(values)) < len(values):
            raise ImproperlyConfigured(
                f"API_KEYS lists one {what} twice. Give each key a name and a value of its own."
            )
    return keys


def _api_key(number: int, text: str) -> ApiKey:
    name, _, rest = text.partition(":")
    sha256, _, scopes = rest.partition(":")
    key = ApiKey(name.strip(), sha256.strip().lower(), frozenset(scopes.split()))
    if not re.fullmatch(r"[\w.@-]{1,64}", key.name, re.ASCII):
        fault = "has no name of letters, digits and . _ @ -"
    elif not re.fullmatch("[0-9a-f]{64}", key.sha256):
        fault = "has no SHA-256 in 64 hexadecimal digits; the key itself does not belong here, but its hash"
    elif key.sha256 == hashlib.sha256().hexdigest():
        fault = "has the hash of an empty key"
    elif not key.scopes or not key.scopes <= SCOPES:
        fault = f"has other scopes than {' and '.join(sorted(SCOPES))}"
    else:
        return key
    raise ImproperlyConfigured(f"{API_KEYS_ARE}: key {number} {fault}.")


def check_secrets(variable: str, secrets: Iterable[str], *, first: int = 1) -> None:
    """Refuse a secret that others know or can guess. `first` is the place of the first one in the variable."""
    for number, secret in enumerate(secrets, start=first):
        if PUBLIC_KEY.match(secret):
            fault = "is a public key, which everyone knows (published keys belong in AUTH_JWKS)"
        elif len(secret) < SECRET_AT_LEAST_CHARACTERS:
            fault = "is shorter"
        elif _steps(secret) < SECRET_AT_LEAST_STEPS:
            fault = "repeats itself, so that it can be guessed"
        else:
            continue
        raise ImproperlyConfigured(
            f"{variable} must hold random secrets of at least {SECRET_AT_LEAST_CHARACTERS} characters, "
            f"comma-separated: number {number} {fault}. {MAKE_ONE}"
        )


def check_purposes(
    secrets: Mapping[str, Iterable[str]], keys: Iterable[ApiKey]
) -> None:
    """Refuse one secret for two purposes: who is trusted with the one would hold the other."""
    purposes: dict[str, str] = {key.sha256: "API_KEYS" for key in keys}
    for variable, values in secrets.items():
        for value in values:
            as_key = hashlib.sha256(value.encode(errors="surrogateescape")).hexdigest()
            for shape in (value, as_key):
                if purposes.setdefault(shape, variable) != variable:
                    raise ImproperlyConfigured(
                        f"{variable} and {purposes[shape]} share a secret. Make one for each purpose."
                    )


def _steps(secret: str) -> int:
    """How many different pairs of steps lead from character to character: few in text that repeats or counts."""
    steps = [ord(after) - ord(before) for before, after in pairwise(secret)]
    return len(set(pairwise(steps)))
