"""Both releases' client tests, with their calls spread over both releases."""

import http.client
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.wsgi_servers import serving

CLIENT_TESTS = (
    "tests/e2e/python_client/test_playback.py",
    "tests/e2e/python_client/test_races.py",
)
TIMEOUT_SECONDS = 300
DROPPED_HEADERS = {"connection", "transfer-encoding", "content-length", "server"}


@contextmanager
def mixed_service(folders: Sequence[Path]) -> Iterator[str]:
    """Serve with each release and yield the URL of a proxy that takes turns."""
    environment = os.environ | {
        "DEBUG": "1",
        "PRIVATE_NETWORK": "1",
        "LOG_LEVEL": "ERROR",
        "EVENTS": "off",
        "MINT_BURST": "1000",
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
    }
    with ExitStack() as running:
        urls = []
        for folder in folders:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.served", "0"],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            running.enter_context(process)
            assert process.stdout is not None
            urls.append(process.stdout.readline().strip())
        yield running.enter_context(serving(_in_turns(urls)))


def _in_turns(urls: Sequence[str]) -> Any:
    """Return a WSGI application that forwards each request to the next service."""
    hosts = itertools.cycle([url.removeprefix("http://") for url in urls])

    def forward(environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        service = http.client.HTTPConnection(next(hosts), timeout=30)
        try:
            service.request(
                environ["REQUEST_METHOD"],
                _target(environ),
                environ["wsgi.input"].read(length),
                _headers(environ),
            )
            answer = service.getresponse()
            content = answer.read()
        finally:
            service.close()

        headers = [
            (name, value)
            for name, value in answer.getheaders()
            if name.lower() not in DROPPED_HEADERS
        ]
        start_response(f"{answer.status} {answer.reason}", headers)
        # Without a length, the server closes the connection, as it does for Django.
        return iter([content])

    return forward


def _target(environ: Mapping[str, Any]) -> str:
    path = quote(environ["PATH_INFO"].encode("latin-1"))
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    return headers


def run_client_tests(folders: Sequence[Path]) -> list[str]:
    """Run the client tests of each release and return the outputs of failed ones."""
    failures = []
    with mixed_service(folders) as url:
        for folder in folders:
            for command in _commands(folder):
                finished = subprocess.run(
                    command,
                    cwd=folder,
                    env=os.environ | {"STREAMS_URL": url},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=TIMEOUT_SECONDS,
                )
                if finished.returncode != 0:
                    failures.append(finished.stdout + finished.stderr)
    return failures


def _commands(folder: Path) -> Iterator[list[str]]:
    """Yield the commands that run a release's client tests against `STREAMS_URL`."""
    yield [shutil.which("node") or "node", "--test", "tests/client/"]
    if "STREAMS_URL" in (folder / "tests" / "conftest.py").read_text():
        options = ["-n0", "-q", "-p", "no:cacheprovider"]
        yield [sys.executable, "-m", "pytest", *options, *CLIENT_TESTS]
