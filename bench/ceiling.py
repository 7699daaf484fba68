"""Measures the engine alone: raw `UpdateItem` calls over a number of connections.

python -m bench.ceiling PROCESSES CONNECTIONS SECONDS

Prints the calls per second as JSON. Each process opens its own connections and sends
calls back to back on each of them.
"""

import json
import os
import sys
import time
import uuid
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from bench.engines import calls_to
from bench.scene import TABLE, connect, seed

LEASE = {
    "stream_id": {"S": "456"},
    "expires_at": {"N": "1800000000000"},
}


def hammer(connections: int, seconds: float) -> int:
    """Return how many calls the engine answered within a number of seconds."""
    endpoint = os.environ["DYNAMODB_ENDPOINT"]
    call = calls_to(endpoint, connections=connections)
    users = [str(uuid.uuid4()) for _ in range(connections)]
    seed(connect(endpoint), users)

    stop_at = time.monotonic() + seconds

    def send_back_to_back(user: str) -> int:
        answered = 0
        while time.monotonic() < stop_at:
            call("UpdateItem", _start_of(user))
            answered += 1
        return answered

    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(send_back_to_back, users))


def _start_of(user: str) -> dict[str, Any]:
    """Return the write that the bare handler makes for a start."""
    return {
        "TableName": TABLE,
        "Key": {"user_id": {"S": user}},
        "UpdateExpression": "SET l.#id = :lease",
        "ConditionExpression": "size(l) < :limit",
        "ExpressionAttributeNames": {"#id": "device"},
        "ExpressionAttributeValues": {
            ":lease": {"M": LEASE},
            ":limit": {"N": "3"},
        },
    }


def main(processes: int, connections: int, seconds: int) -> None:
    """Measure in several processes and print the calls per second."""
    with ProcessPoolExecutor(processes) as pool:
        answered = pool.map(
            hammer,
            [connections] * processes,
            [seconds] * processes,
        )
        total = sum(answered)
    print(json.dumps(total / seconds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
