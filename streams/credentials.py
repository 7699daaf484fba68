"""Checks API keys and secrets at start-up.

An error names the setting and the position of the key, and contains no part of it.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, override

from django.core.exceptions import ImproperlyConfigured

from streams.setting_kinds import Kind, comma_separated

SCOPES = {"streams:operate", "streams:admin"}
API_KEYS_FORM = (
    "Write name:sha256:scopes, separated by commas, such as "
    "'billing:<64 hex digits>:streams:operate streams:admin'."
)
HOW_TO_GENERATE = (
    "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
)
MIN_SECRET_CHARACTERS = 32

MIN_STEP_PAIRS = 16
"""Of random text, 32 hexadecimal digits have about 30 different pairs of steps.

A word that is repeated four times has fewer than half of that.
"""

LOCAL_TOKEN_KEY = "local-development-only-local-development-only"  # noqa: S105
"""Key of players' tokens in local development. It is public."""

WELL_KNOWN = (
    "astringsecretatleast",
    "aym1sysppbydfgzld3umj1qzkobwvmkoqqestjqlr",
    "changeme",
    "changethis",
    "correcthorsebattery",
    "defaultsecret",
    "djangoinsecure",
    "examplekey",
    "examplesecret",
    "gqdstcksx0nhjpouxoyg5mbej1xt0ufiwdvvvbrk",
    "insecurekey",
    "insertyour",
    "localdevelopment",
    "mysecret",
    "notasecret",
    "password",
    "qwertyuiop",
    "replaceme",
    "replacethis",
    "replacewith",
    "secretkey",
    "supersecret",
    "topsecret",
    "your256bitsecret",
    "your384bitsecret",
    "your512bitsecret",
    "yourkey",
    "yoursecret",
)
"""Parts of the secrets that documentation (RFC 7515) and tools (jwt.io) show as
examples.
"""

PUBLIC_KEY = re.compile(
    r"-----BEGIN "
    r"|(ssh|ecdsa|sk)-\S+ "
    r"|MII[\w+/]{150}|MFkwEwYHKoZIzj0|MCowBQYDK2V"
    r'|.*"kty"'
)
"""PEM, SSH, base64 of DER (RSA, elliptic curves), or a JWK."""


class ApiKey(NamedTuple):
    """An API key of a back end. Only its hash is known."""

    name: str
    sha256: str
    scopes: frozenset[str]


class ApiKeys(Kind[list[ApiKey]]):
    """A list of API keys, as `name:sha256:scopes` or as `ApiKey`."""

    description = "API keys such as billing:<64 hex digits>:streams:operate"
    is_secret = True

    def __init__(self, setting: str = "API_KEYS") -> None:
        self.setting = setting

    @override
    def check(self, value: Any) -> list[ApiKey]:
        return api_keys(value, setting=self.setting)

    @override
    def parse(self, text: str) -> list[ApiKey]:
        return api_keys(comma_separated(text), setting=self.setting)


def api_keys(
    entries: Iterable[str | ApiKey], *, setting: str = "API_KEYS"
) -> list[ApiKey]:
    """Return the keys of `API_KEYS`, or of another setting that an error names.

    Raises:
        ImproperlyConfigured: an entry is not valid, or a name or key is repeated.
    """
    keys = [
        _api_key(number, entry, setting=setting)
        for number, entry in enumerate(entries, start=1)
    ]
    _check_unique("name", [key.name for key in keys])
    _check_unique("key", [key.sha256 for key in keys])
    return keys


def check_secrets(setting: str, secrets: Iterable[str], *, first: int = 1) -> None:
    """Refuse a secret that others know or can guess.

    `first` is the position of the first secret in the setting.

    Raises:
        ImproperlyConfigured
    """
    for number, secret in enumerate(secrets, start=first):
        fault = _fault_of_secret(secret)
        if fault:
            raise ImproperlyConfigured(
                f"{setting}: secret {number} {fault}. List random secrets of at least "
                f"{MIN_SECRET_CHARACTERS} characters, separated by commas. "
                f"{HOW_TO_GENERATE}"
            )


def check_purposes(
    secrets: Mapping[str, Iterable[str]], keys: Iterable[ApiKey]
) -> None:
    """Refuse a secret that is used for two purposes.

    A party that is trusted with one purpose would hold the secret of the other.

    Raises:
        ImproperlyConfigured
    """
    settings: dict[str, str] = {key.sha256: "API_KEYS" for key in keys}
    for setting, form in _secret_forms(secrets):
        other = settings.setdefault(form, setting)
        if other != setting:
            raise ImproperlyConfigured(
                f"{setting} and {other} share a secret. "
                f"Generate one for each purpose. {HOW_TO_GENERATE}"
            )


def _secret_forms(secrets: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """Yield each secret and its SHA-256, with the setting that contains it."""
    for setting, values in secrets.items():
        for value in values:
            yield setting, value
            encoded = value.encode(errors="surrogateescape")
            yield setting, hashlib.sha256(encoded).hexdigest()


def _api_key(number: int, entry: str | ApiKey, *, setting: str) -> ApiKey:
    if isinstance(entry, ApiKey):
        return entry

    name, _, rest = entry.partition(":")
    sha256, _, scopes = rest.partition(":")
    key = ApiKey(name.strip(), sha256.strip().lower(), frozenset(scopes.split()))

    fault = _fault_of_api_key(key)
    if fault:
        raise ImproperlyConfigured(f"{setting}: key {number} {fault}. {API_KEYS_FORM}")
    return key


def _fault_of_api_key(key: ApiKey) -> str | None:
    if not re.fullmatch(r"[\w.@-]{1,64}", key.name, re.ASCII):
        return "needs a name of letters, digits and . _ @ -"
    if not re.fullmatch("[0-9a-f]{64}", key.sha256):
        return (
            "needs a SHA-256 of 64 hexadecimal digits. "
            "Configure the hash of the key, not the key"
        )
    if key.sha256 == hashlib.sha256().hexdigest():
        return "has the hash of an empty key"
    if key.sha256 == hashlib.sha256(LOCAL_TOKEN_KEY.encode()).hexdigest():
        return "has the hash of the public key of local development"
    if not key.scopes or not key.scopes <= SCOPES:
        return f"has an unknown scope. The scopes are {' and '.join(sorted(SCOPES))}"
    return None


def _check_unique(member: str, values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise ImproperlyConfigured(
            f"API_KEYS contains a {member} twice. "
            "Use a different name and value for each key."
        )


def _fault_of_secret(secret: str) -> str | None:
    if PUBLIC_KEY.match(secret):
        return "is a public key. Public keys belong in AUTH_JWKS"
    if len(secret) < MIN_SECRET_CHARACTERS:
        return "is too short"
    letters = re.sub("[^a-z0-9]", "", secret.lower())
    if any(part in letters for part in WELL_KNOWN):
        return "is well known"
    if _step_pairs(secret) < MIN_STEP_PAIRS:
        return "is repetitive and can be guessed"
    return None


def _step_pairs(secret: str) -> int:
    """Return the number of different pairs of steps between characters.

    Text that repeats or counts has few.
    """
    steps = [ord(after) - ord(before) for before, after in pairwise(secret)]
    return len(set(pairwise(steps)))
