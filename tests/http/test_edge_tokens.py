"""Edge tokens: their claims, their life, and the rejection of other kinds of tokens."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from clients.edge.middleware import EdgeTokensWSGI
from streams import conf, service
from streams.authentication import BearerAuthentication
from streams.edge_keys import edge_keys, new_key
from streams.views import StreamViewSet
from tests.builders import changed
from tests.edge_requests import origin, tokens_of
from tests.viewer import Viewer
from tests.wsgi_servers import serving

ISSUER = "https://streams.example.com"
AUDIENCE = "cdn.example.com"
KINDS = ["hs256", "es256", "eddsa"]


@pytest.fixture
def edge(settings: Any) -> Any:
    """Set up the settings of a service that issues edge tokens for a CDN."""
    settings.EDGE_TOKEN_ISSUER = ISSUER
    settings.EDGE_TOKEN_AUDIENCE = AUDIENCE
    settings.EDGE_TOKEN_KEYS = edge_keys([new_key("es256")])
    return settings


class Cdn:
    """A verifier of edge tokens, with the keys that it received or fetched last."""

    def __init__(self, keys: Sequence[Any] = ()) -> None:
        self.keys = {key.kid: (key.private, key.algorithm) for key in keys}

    def fetch(self, api: httpx.Client) -> None:
        published = api.get("/.well-known/jwks.json").json()["keys"]
        self.keys |= {key["kid"]: (jwt.PyJWK(key), key["alg"]) for key in published}

    def forget(self, kid: str) -> None:
        del self.keys[kid]

    def claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)

        assert header["typ"] == "lease+jwt"

        key, algorithm = self.keys[header["kid"]]
        return jwt.decode(
            token, key, algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER
        )


@pytest.mark.parametrize("kind", KINDS)
def test_starts_and_heartbeats_return_an_edge_token(
    edge: Any, viewer: Viewer, kind: str
) -> None:
    edge.EDGE_TOKEN_KEYS = keys = edge_keys([new_key(kind)])
    began = time.time()
    started = viewer.started("film-1", deviceId="tv")
    renewed = viewer.heartbeat("tv", started["token"]).json()
    first, second = (
        Cdn(keys).claims(answer["edgeToken"]) for answer in (started, renewed)
    )

    assert first.keys() == {"iss", "aud", "sub", "jti", "epoch", "streamId", "exp"}
    assert first["streamId"] == "film-1"
    assert first["epoch"] == started["epoch"]
    assert second["sub"] == first["sub"]
    assert second["epoch"] == first["epoch"]
    assert second["jti"] != first["jti"]

    for claims in (first, second):
        assert claims["exp"] >= began + 20 + 20 - 1
        assert claims["exp"] <= time.time() + 20 + 20


def test_an_edge_token_does_not_outlive_its_lease(
    edge: Any, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = changed(service.store.plans, lease_ms=9000)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))
    cdn = Cdn()
    cdn.fetch(viewer.api)
    before = time.time()
    exp = cdn.claims(viewer.started()["edgeToken"])["exp"]

    assert before + 8 <= exp <= time.time() + 9


def test_the_subject_is_a_hash_of_the_user_unless_configured(
    edge: Any, viewer: Viewer
) -> None:
    cdn = Cdn()
    cdn.fetch(viewer.api)
    first = cdn.claims(viewer.started()["edgeToken"])["sub"]
    second = cdn.claims(viewer.started()["edgeToken"])["sub"]

    assert first == second
    assert viewer.user_id not in first

    edge.EDGE_TOKEN_SUBJECT = "plain"

    assert cdn.claims(viewer.started()["edgeToken"])["sub"] == viewer.user_id


def test_an_edge_token_of_es256_has_at_most_450_bytes(
    edge: Any, viewer: Viewer
) -> None:
    assert len(viewer.started("movie-1234567")["edgeToken"]) <= 450


def test_without_keys_no_edge_token_is_issued_and_the_key_set_is_empty(
    viewer: Viewer,
) -> None:
    assert "edgeToken" not in viewer.started()
    assert viewer.api.get("/.well-known/jwks.json").json() == {"keys": []}


def test_only_public_keys_are_published_and_caches_may_keep_them(
    edge: Any, api: httpx.Client
) -> None:
    edge.EDGE_TOKEN_KEYS = edge_keys([new_key(kind) for kind in KINDS])
    answer = api.get("/.well-known/jwks.json")

    assert answer.headers["Cache-Control"] == "public, max-age=300"

    keys = answer.json()["keys"]

    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [
        ("EC", "ES256", "sig"),
        ("OKP", "EdDSA", "sig"),
    ]
    assert all(
        key.keys() <= {"kty", "crv", "x", "y", "kid", "alg", "use"} for key in keys
    )


def test_a_key_id_is_the_thumbprint_of_the_key() -> None:
    """Use the example of RFC 8037, appendix A.3."""
    private = bytes.fromhex(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    )
    made = Ed25519PrivateKey.from_private_bytes(private)
    [key] = edge_keys(
        [made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()]
    )

    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    "kinds", [("es256", "es256"), ("es256", "hs256"), ("hs256", "hs256")]
)
def test_players_continue_during_a_rotation_of_keys(
    edge: Any, viewer: Viewer, kinds: tuple[str, str]
) -> None:
    """Follow docs/edge.md: publish the key, sign with it, remove the old one."""
    old, new = (edge_keys([new_key(kind)])[0] for kind in kinds)
    cdn = Cdn()
    secrets = [key for key in (old, new) if key.public is None]

    def plays() -> Iterator[dict[str, Any]]:
        """Play, and verify each edge token at the CDN."""
        answer = viewer.started(deviceId="tv")
        while True:
            cdn.claims(answer["edgeToken"])
            yield answer
            answer = viewer.heartbeat("tv", answer["token"]).json()

    edge.EDGE_TOKEN_KEYS = [old]
    cdn.fetch(viewer.api)
    old_secrets = secrets[:1] if kinds[0] == "hs256" else []
    cdn.keys |= Cdn(old_secrets).keys
    player = plays()
    before = next(player)
    edge.EDGE_TOKEN_KEYS = [old, new]  # 1. publish the new key
    cdn.fetch(viewer.api)
    cdn.keys |= Cdn(secrets).keys
    next(player)
    edge.EDGE_TOKEN_KEYS = [new, old]  # 2. sign with it
    after = next(player)
    cdn.claims(before["edgeToken"])
    edge.EDGE_TOKEN_KEYS = [new]  # 3. remove the old key
    cdn.forget(old.kid)
    next(player)

    assert jwt.get_unverified_header(after["edgeToken"])["kid"] == new.kid
    with pytest.raises(KeyError):
        cdn.claims(before["edgeToken"])


@pytest.fixture
def bearer(edge: Any, user_id: str) -> str:
    """Return a viewer's bearer token, signed with a shared secret."""
    edge.AUTH_JWT_SECRETS, edge.AUTH_ALGORITHMS = ["b" * 32 + "earer"], ["HS256"]
    edge.AUTH_ISSUER, edge.AUTH_AUDIENCE = "https://id.example.com", "streams"
    claims = {
        "sub": user_id,
        "iss": edge.AUTH_ISSUER,
        "aud": edge.AUTH_AUDIENCE,
        "exp": time.time() + 600,
    }
    return jwt.encode(claims, edge.AUTH_JWT_SECRETS[0], algorithm="HS256")


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_of_one_kind_is_rejected_as_another_kind(
    edge: Any, viewer: Viewer, bearer: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge.EDGE_TOKEN_KEYS = keys = edge_keys([new_key(kind)])
    playing = viewer.started(deviceId="tv")
    token, edge_token = playing["token"], playing["edgeToken"]
    monkeypatch.setattr(StreamViewSet, "authentication_classes", [BearerAuthentication])

    def as_bearer(text: str) -> int:
        return viewer.api.get(
            viewer.url, headers={"Authorization": f"Bearer {text}"}
        ).status_code

    def as_token(text: str) -> int:
        return viewer.heartbeat("tv", text).status_code

    def as_edge_token(text: str) -> int:
        return httpx.get(
            f"{cdn_url}/film/1.ts", headers={"X-Edge-Token": text}
        ).status_code

    with serving(EdgeTokensWSGI(origin, tokens_of(*keys))) as cdn_url:
        ways = (as_bearer, as_token, as_edge_token)
        assert [
            way(text)
            for way, text in zip(ways, (bearer, token, edge_token), strict=True)
        ] == [200, 200, 200]
        assert as_bearer(token) == 401
        assert as_bearer(edge_token) == 401
        assert as_token(bearer) == 400
        assert as_token(edge_token) == 400
        assert as_edge_token(bearer) == 403
        assert as_edge_token(token) == 403


def test_a_paused_stream_gets_an_edge_token_when_it_resumes(
    edge: Any, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = changed(service.store.plans, paused_ms=600_000)
    monkeypatch.setattr(service, "store", replace(service.store, plans=plans))
    url = f"{viewer.url}/tv/heartbeat"
    token = viewer.started(deviceId="tv")["token"]
    paused = viewer.api.post(url, json={"token": token, "state": "paused"}).json()

    assert "edgeToken" not in paused
    assert paused["leaseSeconds"] > 500

    resumed = viewer.api.post(
        url, json={"token": paused["token"], "state": "playing"}
    ).json()
    exp = Cdn(edge.EDGE_TOKEN_KEYS).claims(resumed["edgeToken"])["exp"]

    assert exp <= time.time() + conf.settings.EDGE_TOKEN_MS / 1000
    assert time.time() + resumed["heartbeatSeconds"] < exp, (
        "the token must last until the next heartbeat"
    )


def test_without_a_rule_on_networks_an_edge_token_has_no_network(
    edge: Any, viewer: Viewer
) -> None:
    assert "network" not in Cdn(edge.EDGE_TOKEN_KEYS).claims(
        viewer.started()["edgeToken"]
    )
