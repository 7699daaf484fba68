"""`manage.py keys new KIND`, `keys list`, `keys check`: the keys of edge tokens."""

from typing import Any, override

from django.core.management.base import BaseCommand, CommandError, CommandParser

from streams import edge_keys
from streams.conf import settings
from streams.edge_keys import EdgeKey

VERIFIERS = {
    "HS256": (
        "CloudFront Functions, nginx njs, Node.js, Lambda@Edge, Python; "
        "each of them could also sign"
    ),
    "ES256": (
        "nginx njs, Node.js, Lambda@Edge, Python; "
        "not CloudFront Functions, which have no public-key cryptography"
    ),
    "EdDSA": (
        "Python; not CloudFront Functions, which have no public-key cryptography"
    ),
}


class Command(BaseCommand):
    """Create, list or check keys."""

    help = "Creates a key for EDGE_TOKEN_KEYS, or lists or checks those that are set."
    requires_system_checks = ()

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        new = verbs.add_parser("new", help="print a new key; store it as a secret")
        new.add_argument("kind", choices=["es256", "eddsa", "hs256"])
        verbs.add_parser("list", help="list the keys by kid; the first one signs")
        verbs.add_parser(
            "check", help="sign with each key, verify it, and name its verifiers"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        verb = options["verb"]
        if verb == "new":
            self.stdout.write(edge_keys.new_key(options["kind"]))
            return

        if not settings.EDGE_TOKEN_KEYS:
            raise CommandError(
                "EDGE_TOKEN_KEYS is not set, so no edge tokens are issued. "
                "Create a key: manage.py keys new es256"
            )
        for number, key in enumerate(settings.EDGE_TOKEN_KEYS):
            self.stdout.write(_description(key, signs=number == 0))
            if verb == "check":
                self.stdout.write(_check(key))


def _description(key: EdgeKey, *, signs: bool) -> str:
    role = "signs" if signs else "verifies"
    visibility = "published" if key.public else "secret"
    return f"{key.kid}  {key.algorithm}  {role}  {visibility}"


def _check(key: EdgeKey) -> str:
    edge_keys.check(
        key, issuer=settings.EDGE_TOKEN_ISSUER, audience=settings.EDGE_TOKEN_AUDIENCE
    )
    return f"    verifies in {VERIFIERS[key.algorithm]}"
