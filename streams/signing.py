"""The signers of what only this service reads back: tokens, tickets, CMCD addresses.

The first of `LEASE_TOKEN_KEYS` signs, and all of them verify. Each kind has its salt,
so that one is never accepted as another.
"""

from functools import cache

from django.core.signing import Signer

from streams.conf import settings


def signer(*, salt: str, sep: str = ":") -> Signer:
    """Return the signer of a kind with the current keys. It is created once."""
    return _signer_with(salt, sep, *settings.LEASE_TOKEN_KEYS)


@cache
def _signer_with(salt: str, sep: str, key: str, *fallback_keys: str) -> Signer:
    return Signer(key=key, fallback_keys=[*fallback_keys], salt=salt, sep=sep)
