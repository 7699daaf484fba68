"""The two services of a soak, and the faults of their store."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.proxy import Proxy
from tests.faults.soak_users import LEASE_SECONDS, LIMIT, PLANS, SKEW_SECONDS
from tests.servers import PROJECT

FAULTS: Mapping[str, float] = {
    "reset before": 3,
    "reset after": 3,
    "late": 3,
    "twice": 3,
    "twice, first answer": 3,
    "delayed": 3,
    "truncated": 2,
    "500": 2,
    "500 after": 2,
    "503 after": 2,
    "throttled": 2,
    "null": 2,
    "list": 1,
    "HTML": 1,
    "lost answer": 0.05,
    "hung": 0.05,
    "dripped": 0.05,
}
"""Frequency of each fault per thousand requests.

Slow faults are rare, because a thread that waits makes no other call.
"""
OUTAGE = ("500", "reset before", "reset after", "late")
"""Faults of the requests in an outage."""
OUTAGE_SECONDS, BETWEEN_OUTAGES_SECONDS = 0.5, 20


@contextmanager
def services(
    endpoint: str, folders: Sequence[Path] = (PROJECT, PROJECT)
) -> Iterator[list[str]]:
    """Run two services and yield their URLs. The clock of the second is ahead.

    `folders` contain the code of each.
    """
    environment = os.environ | {
        "DYNAMODB_ENDPOINT": endpoint,
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "STREAM_LIMIT": str(LIMIT),
        "PLANS": str(PLANS),
        "LOG_LEVEL": "ERROR",
        "EVENTS": "off",
        "MINT_INTERVAL_SECONDS": "0",
        "HEARTBEAT_BURST": "1000",  # the users send them back to back
    }
    with ExitStack() as running:
        urls = []
        offsets = (0.0, SKEW_SECONDS)
        for offset, folder in zip(offsets, folders, strict=True):
            command = [sys.executable, "-m", "tests.faults.served", str(offset)]
            service = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # audit records have every level
                text=True,
            )
            running.enter_context(service)
            assert service.stdout is not None
            urls.append(service.stdout.readline().strip())

        yield urls


def fail(proxy: Proxy, dice: random.Random) -> None:
    """Make the proxy cause each fault with its frequency."""
    faultless = 1000 - sum(FAULTS.values())
    kinds = ["", *FAULTS]
    weights = [faultless, *FAULTS.values()]

    def choose() -> str:
        """Return a random fault. For half a second out of 20, each request fails."""
        if time.monotonic() % BETWEEN_OUTAGES_SECONDS < OUTAGE_SECONDS:
            return dice.choice(OUTAGE)
        return dice.choices(kinds, weights)[0]

    proxy.choose = choose
