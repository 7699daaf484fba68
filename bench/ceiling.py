"""What the engine itself takes: raw UpdateItem calls, one after the other over each of so many connections.

python -m bench.ceiling PROCESSES CONNECTIONS SECONDS   calls a second, as JSON; each process has so many connections
"""

import json
import os
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

from bench.engines import calls_to
from bench.scene import TABLE, connect, seed


def hammer(connections: int, seconds: float) -> int:
    """The calls that were answered: each puts a lease on condition that there is room, as the bare handler does."""
    endpoint = os.environ["DYNAMODB_ENDPOINT"]
    call = calls_to(endpoint, at_once=connections)
    users = [str(uuid.uuid4()) for _ in range(connections)]
    seed(connect(endpoint), users)
    until = time.monotonic() + seconds

    def one_after_the_other(user: str) -> int:
        answered = 0
        while time.monotonic() < until:
            call(
                "UpdateItem",
                {
                    "TableName": TABLE,
                    "Key": {"user_id": {"S": user}},
                    "UpdateExpression": "SET l.#id = :lease",
                    "ConditionExpression": "size(l) < :limit",
                    "ExpressionAttributeNames": {"#id": "device"},
                    "ExpressionAttributeValues": {
                        ":lease": {
                            "M": {
                                "stream_id": {"S": "456"},
                                "expires_at": {"N": "1800000000000"},
                            }
                        },
                        ":limit": {"N": "3"},
                    },
                },
            )
            answered += 1
        return answered

    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(one_after_the_other, users))


if __name__ == "__main__":
    processes, connections, seconds = map(int, sys.argv[1:])
    with ProcessPoolExecutor(processes) as pool:
        answered = sum(
            pool.map(hammer, [connections] * processes, [seconds] * processes)
        )
    print(json.dumps(answered / seconds))
