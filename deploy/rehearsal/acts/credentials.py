"""Acts about credentials: a rotation of keys, and viewers who cannot start."""

import secrets
import time

import jwt

from deploy.rehearsal.acts.releases import (
    NO_UPLOAD,
    environment_of_live,
    live,
    store_secret,
)
from deploy.rehearsal.stage import STAGE, Rehearsal, expect
from deploy.rehearsal.viewers import assert_all_succeeded, smoke_test, viewers

ISSUER = {"AUTH_ISSUER": "https://id.example/", "AUTH_AUDIENCE": "x"}
JWKS = {"AUTH_JWKS": "https://id.example/jwks.json"}


def a_rotation_of_keys(rehearsal: Rehearsal) -> None:
    """The keys of lease tokens rotate in three updates, and each player stays.

    Traps: an update in one step ended the stream of each player. A key that was removed
    a minute after it signed cut off players with a longer lease. A release from a
    pipeline with the keys from before undid the rotation, and the next step logged
    every player out.
    """
    old = rehearsal.environment["LEASE_TOKEN_KEYS"]
    new = secrets.token_urlsafe(48)
    update = ("update", STAGE, *NO_UPLOAD)
    with viewers(rehearsal.api) as answers:
        for keys in (f"{old},{new}", f"{new},{old}"):
            output = rehearsal.zappa(*update, LEASE_TOKEN_KEYS=keys)
            assert "LEASE_TOKEN_KEYS: sha256" in output, output
            assert new not in output, output

        before = live(rehearsal)
        for keys in (old, f"{old},{new}"):
            output = rehearsal.refused("update", STAGE, LEASE_TOKEN_KEYS=keys)
            assert "A rotation has three steps" in output, output
        expect(live(rehearsal), before)

        output = rehearsal.refused(*update, LEASE_TOKEN_KEYS=new)
        assert "Remove the key after" in output, output
        expect(live(rehearsal), before)

        early = {"YES": "early-key-removal"}
        rehearsal.zappa(*update, LEASE_TOKEN_KEYS=new, **early)
    rehearsal.environment["LEASE_TOKEN_KEYS"] = new
    assert_all_succeeded(answers)


def an_issuer_that_moves(rehearsal: Rehearsal) -> None:
    """Viewers' tokens name another issuer after the service accepts both.

    Trap: in one step, a canary or a roll-back refused each viewer whose token names
    the issuer that its version does not know.
    """
    update, before = ("update", STAGE, *NO_UPLOAD), live(rehearsal)
    moved = {"AUTH_ISSUER": "https://new.example/", "CANARY": "5%"}
    output = rehearsal.refused(*update, **moved)
    assert "List both issuers first" in output, output
    expect(live(rehearsal), before)


def starts_that_are_all_refused(rehearsal: Rehearsal) -> None:
    """A release that answers 401 to each viewer's start gets no traffic.

    Trap: checks asked /healthz and /readyz, starts are a fiftieth of the traffic, and a
    metric without data counted as fine.
    """
    secret = secrets.token_urlsafe(48)
    reference = {"AUTH_JWT_SECRETS": f"ssm:{store_secret(rehearsal, 'jwt', secret)}"}
    update, before = ("update", STAGE, *NO_UPLOAD), live(rehearsal)
    output = rehearsal.refused(*update, **reference, **ISSUER)
    assert "needs a canary" in output, output

    token = {"VERIFY_TOKEN": _token(secret)}
    wrong = ISSUER | {"AUTH_AUDIENCE": "another"}
    output = rehearsal.refused(*update, **reference, **wrong, **token)
    assert "does not serve the viewer's token" in output, output
    expect(live(rehearsal), before)

    rehearsal.zappa(*update, **reference, **ISSUER, **token)
    expect(environment_of_live(rehearsal)["AUTH_AUDIENCE"], "x")


def an_unset(rehearsal: Rehearsal) -> None:
    """A shared secret gives way to published keys: refused together, done by an unset.

    Traps: Zappa keeps each variable that an update does not name. Without a viewer's
    token, the new keys were tried by all viewers at once.
    """
    output = rehearsal.refused("update", STAGE, *NO_UPLOAD, **JWKS)
    assert "both set" in output, output

    canary = {"CANARY": "50%", "MINUTES": "0.01"}
    unset = {"UNSET": "AUTH_JWT_SECRETS"}
    output = rehearsal.zappa("update", STAGE, **JWKS, **unset, **canary)
    assert "The viewers' way in is not tried" in output, output
    variables = environment_of_live(rehearsal)
    expect(
        {variable for variable in variables if variable.startswith("AUTH_")},
        {"AUTH_JWKS", "AUTH_ISSUER", "AUTH_AUDIENCE"},
    )
    with rehearsal.api() as api:
        smoke_test(api)


def _token(secret: str) -> str:
    """Return the bearer token of a viewer, as the issuer would sign it."""
    claims = {
        "sub": f"viewer-{secrets.token_hex(4)}",
        "iss": ISSUER["AUTH_ISSUER"],
        "aud": ISSUER["AUTH_AUDIENCE"],
        "exp": int(time.time()) + 600,
    }
    return jwt.encode(claims, secret, algorithm="HS256")
