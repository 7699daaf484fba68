"""Measures what edge tokens cost a request.

The service's warm verbs without edge tokens, with HS256 and with ES256, interleaved in
one run. The answers to a start and a heartbeat carry an edge token. Those to a denial
and a stop do not.

python -m bench.edge   (`ENGINE=dynamodb-local` selects that engine)
"""

from bench import report, warm
from bench.engines import ENGINE, ENGINES
from bench.scene import connect, create_table, environment
from bench.workers import Side
from streams.edge_keys import new_key

ROUNDS = 40
CALLS = 20
KEY_KINDS = {"off": None, "HS256": "hs256", "ES256": "es256"}


def side(endpoint: str, key_kind: str | None) -> Side:
    """Return this checkout with edge tokens signed by a key of this kind."""
    variables = environment(endpoint)
    if key_kind is not None:
        variables |= {
            "EDGE_TOKEN_KEYS": new_key(key_kind),
            "EDGE_TOKEN_ISSUER": "https://streams.example.com",
            "EDGE_TOKEN_AUDIENCE": "cdn.example.com",
        }
    return Side("service", variables)


def main() -> None:
    """Measure and print the table."""
    with ENGINES[ENGINE]() as endpoint:
        create_table(connect(endpoint))
        sides = {name: side(endpoint, kind) for name, kind in KEY_KINDS.items()}
        figures = warm.measure(sides, rounds=ROUNDS, calls=CALLS)
    print(report.warm({"warm": {ENGINE: figures}}))


if __name__ == "__main__":
    main()
