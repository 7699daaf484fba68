"""The identity provider's keys, while its endpoint, or the file, misbehaves."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rest_framework.exceptions import AuthenticationFailed

from streams import authentication, published_keys
from streams.errors import IssuerUnavailable
from streams.published_keys import KeysAtUrl, KeysInFile
from tests.wsgi_servers import serving

DAY = 86_400


def published(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    is_rsa = isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey)
    algorithm = jwt.algorithms.RSAAlgorithm if is_rsa else jwt.algorithms.ECAlgorithm
    public = key.public_key() if hasattr(key, "public_key") else key
    return json.loads(algorithm.to_jwk(public)) | {"kid": kid} | more  # type: ignore[no-any-return]


SIGNING = ec.generate_private_key(ec.SECP256R1())
GOOD = json.dumps({"keys": [published(SIGNING, "known")]}).encode()
TWO_KEYS = json.dumps(
    {"keys": [published(SIGNING, "known"), published(SIGNING, "next")]}
).encode()
NO_KEYS = {
    "empty": b"",
    "HTML": b"<!doctype html><title>Welcome</title>",
    "binary": bytes(range(256)),
    "a list": b"[]",
    "null": b"null",
    "deep JSON": b'{"keys":' * 100_000,
    "half of it": GOOD[: len(GOOD) // 2],
    "no member keys": b"{}",
    "keys: null": b'{"keys": null}',
    "no keys": b'{"keys": []}',
    "keys that are none": json.dumps(
        {"keys": [7, {}, {"kid": "a", "kty": "RSA", "alg": ["x"]}]}
    ).encode(),
    "a key to encrypt with": json.dumps(
        {"keys": [published(SIGNING, "a", use="enc")]}
    ).encode(),
    "a key for other operations": json.dumps(
        {"keys": [published(SIGNING, "a", key_ops=["deriveKey"])]}
    ).encode(),
    "operations that are no list": json.dumps(
        {"keys": [published(SIGNING, "a", key_ops=7)]}
    ).encode(),
    "a shared secret": json.dumps(
        {"keys": [{"kid": "a", "kty": "oct", "k": "c2VjcmV0" * 8}]}
    ).encode(),
    "a private key": json.dumps(
        {
            "keys": [
                json.loads(jwt.algorithms.ECAlgorithm.to_jwk(SIGNING)) | {"kid": "a"}
            ]
        }
    ).encode(),
    "a short key": json.dumps(
        {
            "keys": [
                published(
                    rsa.generate_private_key(public_exponent=65537, key_size=1024), "a"
                )
            ]
        }
    ).encode(),
    "an algorithm that is not taken": json.dumps(
        {"keys": [published(SIGNING, "a", alg="ES512")]}
    ).encode(),
}


class Issuer:
    """A key endpoint that gives the prepared answers and counts its calls."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], tuple[str, Any]] = lambda: ("200 OK", [GOOD])
        self.is_over = threading.Event()
        self.url = ""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.asked += 1
        status, body = self.answer()
        start_response(
            status,
            [
                ("Content-Type", "application/json"),
                ("Location", f"{self.url}/elsewhere"),
            ],
        )
        return body

    def hang(self) -> tuple[str, Any]:
        self.is_over.wait(30)
        return "200 OK", [GOOD]

    def drip(self) -> tuple[str, Any]:
        def bytes_one_by_one() -> Iterator[bytes]:
            for byte in GOOD:
                if self.is_over.wait(0.1):
                    return
                yield bytes([byte])

        return "200 OK", bytes_one_by_one()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    with serving(issuer) as issuer.url:
        yield issuer
        issuer.is_over.set()


@pytest.fixture(autouse=True)
def algorithms(settings: Any) -> None:
    settings.AUTH_ALGORITHMS = ["RS256", "ES256"]


class Clock:
    """Seconds, moved by hand."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(issuer: Issuer, clock: Clock) -> KeysAtUrl:
    return KeysAtUrl(issuer.url, clock)


FAILURES: dict[str, Callable[[Issuer], tuple[str, Any]]] = {
    "hangs": Issuer.hang,
    "drips": Issuer.drip,
    "fails": lambda issuer: ("500 Internal Server Error", [GOOD]),
    "redirects": lambda issuer: ("302 Found", [GOOD]),
    "sends too much": lambda issuer: (
        "200 OK",
        [GOOD + b" " * published_keys.MAX_SET_BYTES],
    ),
} | {
    f"sends {what}": lambda issuer, body=body: ("200 OK", [body])
    for what, body in NO_KEYS.items()
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_known_keys_stay_good_for_a_day_through_any_failure(
    issuer: Issuer,
    keys: KeysAtUrl,
    clock: Clock,
    failure: Callable[[Issuer], tuple[str, Any]],
) -> None:
    assert keys.get("known")
    issuer.answer = lambda: failure(issuer)
    clock.now += DAY - 1
    began = time.monotonic()
    assert keys.get("known")
    assert time.monotonic() - began < 1.5, "a fetch has one second"
    assert issuer.asked == 2
    clock.now += 1
    with pytest.raises(IssuerUnavailable):
        keys.get("known")


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_what_cannot_be_known_is_said_within_two_seconds(
    issuer: Issuer, keys: KeysAtUrl, failure: Callable[[Issuer], tuple[str, Any]]
) -> None:
    issuer.answer = lambda: failure(issuer)
    began = time.monotonic()
    with pytest.raises(IssuerUnavailable):
        keys.get("known")
    with pytest.raises(IssuerUnavailable):
        keys.get("known")
    assert time.monotonic() - began < 2
    assert issuer.asked == 1, "a failed fetch is followed by the same pause"


def test_an_endpoint_that_is_back_is_heard_after_the_pause(
    issuer: Issuer, keys: KeysAtUrl, clock: Clock
) -> None:
    issuer.answer = lambda: ("500 Internal Server Error", [b""])
    with pytest.raises(IssuerUnavailable):
        keys.get("known")
    issuer.answer = lambda: ("200 OK", [GOOD])
    clock.now += published_keys.PAUSE_SECONDS
    assert keys.get("known")


def test_a_storm_of_unknown_keys_fetches_once_and_holds_no_legitimate_caller(
    issuer: Issuer, keys: KeysAtUrl, clock: Clock
) -> None:
    assert keys.get("known")
    clock.now += published_keys.PAUSE_SECONDS
    is_asked = threading.Event()

    def hang() -> tuple[str, Any]:
        is_asked.set()
        return issuer.hang()

    issuer.answer = hang
    with ThreadPoolExecutor(16) as pool:
        began = time.monotonic()
        storm = [pool.submit(keys.get, f"unknown-{number}") for number in range(16)]
        assert is_asked.wait(5)
        clock.now += (
            published_keys.REFRESH_AFTER_SECONDS
        )  # even when the known ones are due
        legitimate = time.monotonic()
        assert keys.get("known")
        assert time.monotonic() - legitimate < 0.2
        for answer in storm:
            with pytest.raises(IssuerUnavailable):
                answer.result()
        assert time.monotonic() - began < 2
    assert issuer.asked == 2


def test_everyone_waits_for_the_first_fetch_and_nobody_fetches_again(
    issuer: Issuer, keys: KeysAtUrl
) -> None:
    is_everyone_there = threading.Barrier(8)

    def get() -> Any:
        is_everyone_there.wait()
        return keys.get("known")

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(get) for _ in range(8)]
        assert all(answer.result() for answer in answers)
    assert issuer.asked == 1


def test_an_unknown_key_is_looked_for_at_most_every_thirty_seconds(
    issuer: Issuer, keys: KeysAtUrl, clock: Clock
) -> None:
    for _ in range(100):
        assert keys.get("unknown") is None
        clock.now += 1
    assert issuer.asked == 4


def test_a_withdrawn_key_is_no_longer_taken_after_five_minutes(
    issuer: Issuer, keys: KeysAtUrl, clock: Clock
) -> None:
    assert keys.get("known")
    issuer.answer = lambda: (
        "200 OK",
        [json.dumps({"keys": [published(SIGNING, "next")]}).encode()],
    )
    clock.now += published_keys.REFRESH_AFTER_SECONDS
    assert keys.get("known") is None
    assert keys.get("next")


@pytest.mark.parametrize(
    "bad",
    [
        jwt.encode({"sub": "ana"}, "", algorithm="none", headers={"kid": "unknown"}),
        jwt.encode({"sub": "ana"}, "s" * 64, headers={"kid": "unknown"}),
        jwt.encode(
            {"sub": "ana"}, SIGNING, algorithm="ES256", headers={"kid": "unknown"}
        ).rpartition(".")[0]
        + ".",
        "bm90LWpzb24.e30.c2ln",
        "W10.e30.c2ln",
        "!.e30.c2ln",
    ],
    ids=[
        "unsigned",
        "another algorithm",
        "no signature",
        "no JSON",
        "no object",
        "no base64",
    ],
)
def test_a_token_that_no_key_could_save_fetches_nothing(
    issuer: Issuer, settings: Any, bad: str
) -> None:
    settings.AUTH_JWKS = issuer.url
    authentication._published_keys.cache_clear()
    request: Any = type(
        "Request", (), {"META": {"HTTP_AUTHORIZATION": f"Bearer {bad}"}}
    )()
    with pytest.raises(AuthenticationFailed):
        authentication.BearerAuthentication().authenticate(request)
    authentication._published_keys.cache_clear()
    assert issuer.asked == 0


def test_tokens_without_key_id_fetch_at_most_every_thirty_seconds(
    issuer: Issuer, keys: KeysAtUrl, clock: Clock
) -> None:
    issuer.answer = lambda: ("200 OK", [TWO_KEYS])
    for _ in range(60):
        assert keys.get(published_keys.ONLY_KEY) is None
        clock.now += 1
    assert issuer.asked == 2


@pytest.mark.parametrize("content", NO_KEYS.values(), ids=NO_KEYS)
def test_a_file_without_keys_keeps_those_that_were_read(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(GOOD)
    keys = KeysInFile(str(path))
    assert keys.get("known")
    path.write_bytes(content)
    assert keys.get("known")
    path.unlink()
    assert keys.get("known")
    assert keys.get("known")
    assert caplog.text.count("remain valid") == 2, "each failure is said once"
    path.write_bytes(json.dumps({"keys": [published(SIGNING, "next")]}).encode())
    assert keys.get("known") is None
    assert keys.get("next")


@pytest.mark.parametrize("content", NO_KEYS.values(), ids=NO_KEYS)
def test_a_file_that_never_held_keys_lets_nobody_in(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(content)
    with pytest.raises(IssuerUnavailable):
        KeysInFile(str(path)).get("known")


def test_one_bad_entry_does_not_spoil_the_set(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    entries = [
        {"kid": "bad", "kty": "RSA", "n": 7, "e": []},
        None,
        published(SIGNING, "known", use="sig"),
    ]
    path.write_text(json.dumps({"keys": entries}))
    keys = KeysInFile(str(path))
    assert keys.get("known")
    assert keys.get("bad") is None
