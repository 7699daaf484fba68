"""`manage.py keys new KIND`, `keys list`, `keys check`: the keys that sign edge tokens."""

import secrets
from typing import Any

import jwt
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from streams_project.edge_keys import EdgeKey

CHECKED_BY = {
    "HS256": "CloudFront Functions, nginx njs, Node.js, Lambda@Edge, Python; each of them could also sign",
    "ES256": "nginx njs, Node.js, Lambda@Edge, Python; not CloudFront Functions, which have no public-key cryptography",
    "EdDSA": "Python; not CloudFront Functions, which have no public-key cryptography",
}


class Command(BaseCommand):
    """Make, list and check the keys."""

    help = "Makes a key for EDGE_TOKEN_KEYS, or lists or checks those that are set."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """The three things to do."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser(
            "new", help="print a new key: keep it where secrets are kept"
        )
        new.add_argument("kind", choices=["es256", "eddsa", "hs256"])
        verbs.add_parser("list", help="the keys by their kid, the one that signs first")
        verbs.add_parser(
            "check", help="sign with each, check it, and say who else can check it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        if options["verb"] == "new":
            self.stdout.write(new_key(options["kind"]))
            return
        keys: list[EdgeKey] = settings.EDGE_TOKEN_KEYS
        if not keys:
            raise CommandError(
                "EDGE_TOKEN_KEYS is not set: no edge tokens are issued. manage.py keys new es256"
            )
        for number, key in enumerate(keys):
            role = "signs" if number == 0 else "is taken"
            self.stdout.write(
                f"{key.kid}  {key.algorithm}  {role}  {'published' if key.public else 'secret'}"
            )
            if options["verb"] == "check":
                self.stdout.write(
                    f"    {_check(key)}; checked by {CHECKED_BY[key.algorithm]}"
                )


def new_key(kind: str) -> str:
    """A key as `EDGE_TOKEN_KEYS` takes it."""
    if kind == "hs256":
        return secrets.token_urlsafe(48)
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "es256"
        else ed25519.Ed25519PrivateKey.generate()
    )
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
        .strip()
    )


def _check(key: EdgeKey) -> str:
    """That what the key signs verifies with what is published of it."""
    claims = {"iss": settings.EDGE_TOKEN_ISSUER, "aud": settings.EDGE_TOKEN_AUDIENCE}
    token = jwt.encode(
        claims, key.private, algorithm=key.algorithm, headers={"kid": key.kid}
    )
    verifies_with = jwt.PyJWK(dict(key.public)) if key.public else key.private
    jwt.decode(
        token,
        verifies_with,
        algorithms=[key.algorithm],
        audience=settings.EDGE_TOKEN_AUDIENCE,
    )
    return "verifies"
