"""What edge tokens cost a request: the service's warm verbs without them, with HS256 and with ES256, interleaved in one
run. A start and a heartbeat bring a token; a denial and a stop do not.

python -m bench.edge   (`ENGINE=dynamodb-local` measures on that engine instead of the embedded one)"""

from bench import report, warm
from bench.engines import ENGINE, ENGINES
from bench.scene import connect, create_table, environment
from bench.workers import Side
from deploy.management.commands.keys import new_key

ROUNDS, CALLS = 40, 20
KINDS = {"off": None, "HS256": "hs256", "ES256": "es256"}


def side(endpoint: str, kind: str | None) -> Side:
    """This checkout, with edge tokens signed by a key of this kind."""
    edge = {
        "EDGE_TOKEN_ISSUER": "https://streams.example.com",
        "EDGE_TOKEN_AUDIENCE": "cdn.example.com",
    }
    key = {} if kind is None else {"EDGE_TOKEN_KEYS": new_key(kind), **edge}
    return Side("service", environment(endpoint) | key)


def main() -> None:
    """Measure and print."""
    with ENGINES[ENGINE]() as endpoint:
        create_table(connect(endpoint))
        sides = {name: side(endpoint, kind) for name, kind in KINDS.items()}
        figures = warm.measure(sides, rounds=ROUNDS, calls=CALLS)
    print(report.warm({"warm": {ENGINE: figures}}))


if __name__ == "__main__":
    main()
