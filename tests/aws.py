"""Services of an emulated AWS, in a process of its own, on loopback."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.servers import WITHIN_SECONDS, free_port, is_open


@contextmanager
def emulated_aws(folder: Path, *services: str) -> Iterator[Callable[[str], Any]]:
    """What gives a boto3 client of a service."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "SERVICES": ",".join(services),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "0",
        "STATE_DIR": str(folder),
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not is_open(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
        session = boto3.Session("test", "test", region_name="eu-west-1")
        yield lambda service: session.client(service, endpoint_url=url)
    finally:
        process.terminate()
        process.wait()
