"""The DynamoDB engines. A run starts one and stops it at the end."""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from streams_project.local_dynamodb import engine

PROJECT = Path(__file__).resolve().parent.parent
DYNAMODB_LOCAL = PROJECT / ".ci" / "dynamodb-local"
POLL_SECONDS = 0.1

SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
"""Local engines read the key and the region, which select the tables.

They do not verify the signature.
"""

type Call = Callable[[str, Mapping[str, Any]], Any]


@contextmanager
def embedded() -> Iterator[str]:
    """Run the engine of local development (ministack, Python). Yield its endpoint."""
    with (
        tempfile.TemporaryDirectory() as folder,
        engine(Path(folder), keep=False) as endpoint,
    ):
        yield endpoint


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Run Amazon's DynamoDB Local (Java, in memory). Yield its endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "address"
        address.touch()
        with subprocess.Popen([DYNAMODB_LOCAL, address]) as process:
            try:
                yield _wait_for_endpoint(process, address)
            finally:
                process.terminate()


def _wait_for_endpoint(process: subprocess.Popen[bytes], address: Path) -> str:
    """Wait until the engine has written its endpoint, and return it."""
    while True:
        endpoint = address.read_text().strip()
        if endpoint:
            return endpoint
        if process.poll() is not None:
            raise RuntimeError(
                "DynamoDB Local did not start. It needs java, and npm once."
            )
        time.sleep(POLL_SECONDS)


ENGINES = {"dynamodb-local": dynamodb_local, "embedded": embedded}
ENGINE = os.environ.get("ENGINE") or "embedded"
"""The engine of measurements that use only one."""


def calls_to(endpoint: str, *, connections: int) -> Call:
    """Return a function that sends an operation with its arguments, in DynamoDB's JSON.

    It does as little as possible, so that the time of a call is the engine's.
    """
    pool = urllib3.PoolManager(maxsize=connections)
    common_headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": SIGNATURE,
    }

    def call(operation: str, arguments: Mapping[str, Any]) -> Any:
        target = {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        answer = pool.request(
            "POST",
            endpoint,
            json=arguments,
            headers=common_headers | target,
            retries=False,
        )
        if answer.status != 200:
            raise RuntimeError(f"{operation}: {answer.status} {answer.data!r}")
        return answer.json()

    return call
