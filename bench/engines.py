"""The DynamoDB that things are measured on, started for the run and gone after it."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams_project.local_dynamodb import engine

PROJECT = Path(__file__).resolve().parent.parent


@contextmanager
def embedded() -> Iterator[str]:
    """The one of local development (ministack, in Python), by its endpoint."""
    with tempfile.TemporaryDirectory() as folder, engine(Path(folder), keep=False) as endpoint:
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
                        raise RuntimeError("DynamoDB Local did not start: it needs npm, once, and java.")
                    time.sleep(0.1)
                yield endpoint
            finally:
                process.terminate()


ENGINES = {"dynamodb-local": dynamodb_local, "embedded": embedded}
