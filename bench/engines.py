"""The DynamoDB that things are measured on, started for the run and gone after it."""

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


@contextmanager
def embedded() -> Iterator[str]:
    """The one of local development (ministack, in Python), by its endpoint."""
    with (
        tempfile.TemporaryDirectory() as folder,
        engine(Path(folder), keep=False) as endpoint,
    ):
        yield endpoint


@contextmanager
def dynamodb_local() -> Iterator[str]:
    """Amazon's own DynamoDB Local (in Java, in memory), by its endpoint."""
    with tempfile.TemporaryDirectory() as folder:
        address = Path(folder) / "address"
        address.touch()
        with subprocess.Popen([PROJECT / ".ci" / "dynamodb-local", address]) as process:
            try:
                while not (endpoint := address.read_text().strip()):
                    if process.poll() is not None:
                        raise RuntimeError(
                            "DynamoDB Local did not start: it needs npm, once, and java."
                        )
                    time.sleep(0.1)
                yield endpoint
            finally:
                process.terminate()


ENGINES = {"dynamodb-local": dynamodb_local, "embedded": embedded}
ENGINE = os.environ.get("ENGINE") or "embedded"
"""The one for what is measured on one of them only."""


def calls_to(endpoint: str, *, at_once: int) -> Callable[[str, Mapping[str, Any]], Any]:
    """Sends an operation with its arguments, in DynamoDB's JSON, as cheaply as it can be done: what it takes is not the
    engine's. Local engines look at who signed (their tables are of a key and a region), not at the signature."""
    scope = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/dynamodb/aws4_request"
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": f"{scope}, SignedHeaders=host, Signature=0",
    }
    pool = urllib3.PoolManager(maxsize=at_once)

    def call(operation: str, arguments: Mapping[str, Any]) -> Any:
        target = {"X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        answer = pool.request(
            "POST", endpoint, json=arguments, headers=headers | target, retries=False
        )
        if answer.status != 200:
            raise RuntimeError(f"{operation}: {answer.status} {answer.data!r}")
        return answer.json()

    return call
