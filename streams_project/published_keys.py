"""The identity provider's published keys (a JWK Set, RFC 7517), at a URL or in a file.

A key that was read stays good whatever becomes of its source: for a day when that is a URL, for good when it is a file.
Where nothing is known of a key, for want of an answer, that is `IssuerUnavailable`.
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
from django.conf import settings

from streams.errors import IssuerUnavailable

log = logging.getLogger(__name__)

type Keys = Mapping[str, jwt.PyJWK]

REREAD_AFTER_SECONDS = 300
"""Then the first request reads the keys again, while the others go on with those that are known."""
PAUSE_SECONDS = 30
"""Between two reads, whatever came of the first, when a token names a key that is not known."""
GOOD_FOR_SECONDS = 86_400
FETCH_SECONDS = 1
"""All of it: name, connection, TLS and the last byte."""
MAX_SET_BYTES = 2**20


class NoKeys(Exception):
    """What was read holds no key, or could not be read. The message says why."""


class KeysAtUrl:
    """Read at the first token and every five minutes, and for an unknown key at most every thirty seconds."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._clock = url, clock
        self._keys: Keys = {}
        self._is_answering = True
        self._read_at = self._tried_at = float("-inf")
        self._reading = threading.Lock()

    def get(self, id: str) -> jwt.PyJWK | None:
        """The key of this id, None when the issuer has none."""
        key = self._known(id)
        # Who knows the key waits for nobody; who does not waits for the one that reads.
        if self._is_due(key) and self._reading.acquire(blocking=key is None):
            try:
                if self._is_due(self._known(id)):
                    self._read()
            finally:
                self._reading.release()
            key = self._known(id)
        if key is None and not self._is_answering:
            raise IssuerUnavailable("the issuer's keys cannot be read")
        return key

    def _known(self, id: str) -> jwt.PyJWK | None:
        return (
            self._keys.get(id)
            if self._clock() - self._read_at < GOOD_FOR_SECONDS
            else None
        )

    def _is_due(self, key: jwt.PyJWK | None) -> bool:
        return self._clock() - self._tried_at >= (
            PAUSE_SECONDS if key is None else REREAD_AFTER_SECONDS
        )

    def _read(self) -> None:
        try:
            self._keys = _keys_in(_fetch(self._url))
        except NoKeys as exc:
            self._is_answering = False
            log.warning(
                "the issuer's keys cannot be read, those that are known stay good: %s",
                exc,
            )
        else:
            self._is_answering, self._read_at = True, self._clock()
        self._tried_at = self._clock()


class KeysInFile:
    """Read whenever the file is another than before."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._keys: Keys = {}
        self._seen: tuple[int, ...] = ()

    def get(self, id: str) -> jwt.PyJWK | None:
        """The key of this id, None when the file has none."""
        try:
            stat = self._path.stat()
            seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
            if seen != self._seen:
                content = self._path.read_bytes()
                self._seen = seen
                self._keys = _keys_in(content)
        except NoKeys as exc:
            log.warning(
                "AUTH_JWKS has changed and cannot be used, keys that are known stay good: %s",
                exc,
            )
        except OSError as exc:
            if self._seen:  # once, and not at each request
                log.warning(
                    "AUTH_JWKS cannot be read, keys that are known stay good: %s", exc
                )
            self._seen = ()
        if not self._keys:
            raise IssuerUnavailable("AUTH_JWKS holds no keys")
        return self._keys.get(id)


def keys_of(source: str) -> KeysAtUrl | KeysInFile:
    """Those of a URL, or of a file."""
    return (KeysAtUrl if "://" in source else KeysInFile)(source)


def _keys_in(content: bytes) -> Keys:
    """The usable keys of a JWK Set, by id."""
    try:
        entries = json.loads(content)["keys"]
        keys = {entry["kid"]: key for entry in entries if (key := _key(entry))}
    except (KeyError, RecursionError, TypeError, ValueError) as exc:
        raise NoKeys(f"not a JWK Set: {type(exc).__name__}") from exc
    if not keys:
        raise NoKeys("a JWK Set without a key that signs")
    return keys


def _key(entry: Any) -> jwt.PyJWK | None:
    """A public key to check signatures with, None for any other: one that encrypts, is too short or is not public."""
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("kid"), str)
        or "d" in entry
    ):
        return None
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get(
        "key_ops", ["verify"]
    ):
        return None
    try:
        key = jwt.PyJWK(entry)
        is_long_enough = key.Algorithm.check_key_length(key.key) is None
    except Exception:  # whatever is wrong with one entry, the others count
        return None
    return (
        key
        if key.algorithm_name in settings.AUTH_ALGORITHMS and is_long_enough
        else None
    )


def _fetch(url: str) -> bytes:
    """The body at a URL, or `NoKeys`. libcurl holds to one deadline, however the bytes come."""
    import pycurl  # only here: keys in a file do without

    body, curl = BytesIO(), pycurl.Curl()
    try:
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.TIMEOUT_MS, FETCH_SECONDS * 1000)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(
            pycurl.CAINFO,
            ssl.get_default_verify_paths().cafile or _botocores_certificates(),
        )
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
