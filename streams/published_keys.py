"""The identity provider's public keys: a JWK Set (RFC 7517) at a URL or in a file.

A key remains valid while its source fails: for a day if the source is a URL, and
without limit if it is a file. If a key is unknown because the source does not
answer, the error is `IssuerUnavailable`.
"""

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import botocore
import jwt

from streams.conf import settings
from streams.errors import IssuerUnavailable

log = logging.getLogger(__name__)

type Keys = Mapping[str, jwt.PyJWK]

REFRESH_AFTER_SECONDS = 300
"""The first request after this time fetches the keys again.

The other requests continue with the known keys.
"""
PAUSE_SECONDS = 30
"""Shortest time between two fetches for a token that names an unknown key."""
VALID_FOR_SECONDS = 86_400
FETCH_SECONDS = 1
"""Time-out of a fetch: name resolution, connection, TLS and the last byte."""
MAX_SET_BYTES = 2**20
ONLY_KEY = ""
"""Id of the only key of an issuer, and of its only key without an id."""


class NoKeys(Exception):
    """The source cannot be read or contains no key. The message has the reason."""


class KeysAtUrl:
    """Keys at a URL.

    They are fetched with the first token and every five minutes, and for an unknown
    key at most every thirty seconds.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: Keys = {}
        self._is_answering = True
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._fetching = threading.Lock()

    def get(self, id: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None if the identity provider has none.

        Raises:
            IssuerUnavailable: the key is unknown, and the URL does not answer.
        """
        key = self._known(id)
        if self._is_due(key):
            # A thread that needs an unknown key waits for the fetch. The others
            # use the known key.
            must_wait = key is None
            if self._fetching.acquire(blocking=must_wait):
                try:
                    if self._is_due(self._known(id)):
                        self._fetch()
                finally:
                    self._fetching.release()
                key = self._known(id)

        if key is None and not self._is_answering:
            raise IssuerUnavailable(
                "the keys of the identity provider cannot be fetched"
            )
        return key

    def _known(self, id: str) -> jwt.PyJWK | None:
        is_valid = self._clock() - self._fetched_at < VALID_FOR_SECONDS
        return self._keys.get(id) if is_valid else None

    def _is_due(self, key: jwt.PyJWK | None) -> bool:
        pause = PAUSE_SECONDS if key is None else REFRESH_AFTER_SECONDS
        return self._clock() - self._tried_at >= pause

    def _fetch(self) -> None:
        try:
            self._keys = _keys_in(_fetch(self._url))
        except NoKeys as exc:
            self._is_answering = False
            log.warning(
                "the keys of the identity provider cannot be fetched; "
                "known keys remain valid: %s",
                exc,
            )
        else:
            self._is_answering = True
            self._fetched_at = self._clock()
        self._tried_at = self._clock()


class KeysInFile:
    """Keys in a file, which is read again when it changes."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._keys: Keys = {}
        self._version: tuple[int, ...] = ()

    def get(self, id: str) -> jwt.PyJWK | None:
        """Return the key with this id, or None if the file has none.

        Raises:
            IssuerUnavailable: the file never contained a key.
        """
        try:
            self._read_if_changed()
        except NoKeys as exc:
            log.warning(
                "the new content of AUTH_JWKS is not valid; "
                "known keys remain valid: %s",
                exc,
            )
        except OSError as exc:
            if self._version:  # log it once, not for each request
                log.warning(
                    "AUTH_JWKS cannot be read; known keys remain valid: %s", exc
                )
            self._version = ()

        if not self._keys:
            raise IssuerUnavailable("AUTH_JWKS contains no keys")
        return self._keys.get(id)

    def _read_if_changed(self) -> None:
        stat = self._path.stat()
        version = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if version == self._version:
            return

        content = self._path.read_bytes()
        self._version = version
        self._keys = _keys_in(content)


def keys_of(source: str) -> KeysAtUrl | KeysInFile:
    """Return the keys of `AUTH_JWKS`: a URL or the path of a file."""
    return KeysAtUrl(source) if "://" in source else KeysInFile(source)


def _keys_in(content: bytes) -> Keys:
    """Return the usable keys of a JWK Set, by id.

    `ONLY_KEY` is the only key, or the only one without an id: a token without an id
    can mean no other. Several keys without an id are ignored.
    """
    try:
        entries = json.loads(content)["keys"]
        usable = [(entry, key) for entry in entries if (key := _key(entry))]
    except (KeyError, RecursionError, TypeError, ValueError) as exc:
        raise NoKeys(f"not a JWK Set: {type(exc).__name__}") from exc

    keys = {entry["kid"]: key for entry, key in usable if entry.get("kid")}
    without_id = [key for entry, key in usable if not entry.get("kid")]
    candidates = without_id or list(keys.values())
    if len(candidates) == 1:
        keys[ONLY_KEY] = candidates[0]
    if not keys:
        raise NoKeys("the JWK Set contains no usable signing key")
    return keys


def _key(entry: Any) -> jwt.PyJWK | None:
    """Return the public key that verifies signatures, or None for any other entry.

    A key that encrypts, is too short, or is private is not usable.
    """
    if not _is_public_signing_key(entry):
        return None

    try:
        key = jwt.PyJWK(entry)
        is_long_enough = key.Algorithm.check_key_length(key.key) is None
    except Exception:  # an invalid entry does not affect the others
        return None

    is_accepted = key.algorithm_name in settings.AUTH_ALGORITHMS
    return key if is_accepted and is_long_enough else None


def _is_public_signing_key(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("kid", ONLY_KEY), str)
        and "d" not in entry
        and entry.get("use", "sig") == "sig"
        and "verify" in entry.get("key_ops", ["verify"])
    )


def _fetch(url: str) -> bytes:
    """Return the body at a URL within one deadline, or raise `NoKeys`."""
    import pycurl  # keys in a file do not need it

    body = BytesIO()
    curl = pycurl.Curl()
    certificates = ssl.get_default_verify_paths().cafile or _botocores_certificates()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.TIMEOUT_MS, FETCH_SECONDS * 1000)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.CAINFO, certificates)
        curl.setopt(pycurl.MAXFILESIZE, MAX_SET_BYTES)
        curl.setopt(pycurl.USERAGENT, "stream-limits")
        curl.setopt(pycurl.WRITEFUNCTION, body.write)
        curl.perform()
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as exc:
        raise NoKeys(str(exc)) from exc
    finally:
        curl.close()

    if status != 200:
        raise NoKeys(f"status {status}")
    return body.getvalue()


def _botocores_certificates() -> str:
    return str(Path(botocore.__file__).with_name("cacert.pem"))
