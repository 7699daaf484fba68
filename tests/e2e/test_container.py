"""The container without a container engine: its files and its commands."""

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from deploy.verify import main
from streams import __version__
from tests.e2e.image import (
    COMMIT,
    COMPOSE,
    Container,
    build,
    health_check,
    instructions,
    running,
    variables,
)
from tests.servers import PROJECT, WITHIN_SECONDS, free_port
from tests.sockets import Caller, callers, post, wait_until


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with exactly the files that the image contains."""
    folder = tmp_path_factory.mktemp("image")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return the variables of compose.yaml, with a local engine and a new table."""
    web: dict[str, str] = COMPOSE["services"]["web"]["environment"]
    more = {
        "DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"],
        "DYNAMODB_TABLE": f"Container-{uuid.uuid4()}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MINT_BURST": "1000",
    }
    return variables() | web | more


@pytest.fixture(scope="module")
def table(image: Path, environment: dict[str, str]) -> None:
    """Create the table with the command of compose.yaml."""
    subprocess.run(
        [sys.executable, *COMPOSE["services"]["table"]["command"][1:]],
        cwd=image,
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def container(
    image: Path, environment: dict[str, str], table: None
) -> Iterator[Container]:
    """Give the service with its metrics, as the manifests run it."""
    with running(image, environment | {"METRICS": "prometheus"}) as container:
        container.wait_until_ready()
        yield container


def test_the_container_keeps_its_promises(
    container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([container.url, "--slow-ms", "60000", "--at-once", "6"])
    assert status == 0, capsys.readouterr().out


def test_the_pages_have_their_styles(container: Container) -> None:
    page = httpx.get(
        f"{container.url}/console",
        headers={"Accept": "text/html"},
        follow_redirects=True,
    )
    styles = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    types = [
        httpx.get(container.url + style).headers["Content-Type"].partition(";")[0]
        for style in styles
    ]
    assert styles
    assert types == ["text/css"] * len(styles)


def test_the_health_check_names_the_version_and_the_commit(
    container: Container,
) -> None:
    answer = httpx.get(f"{container.url}/healthz").json()
    assert answer["version"] == f"{__version__}+{COMMIT[:12]}"


def test_the_image_contains_the_commands_of_operators(
    image: Path, environment: dict[str, str], table: None
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "streams", "list", "nobody", "--json"],
        cwd=image,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"active": 0' in done.stdout


@pytest.mark.parametrize("number", [40, 200])
def test_unfinished_bodies_do_not_delay_others(
    container: Container, number: int
) -> None:
    start = post("/users/u/streams", "Content-Length: 20", body=b"{")
    with callers(container.url, number, start):
        statuses = [
            Caller(container.url, seconds=5).send(get("/healthz")).answer().status_code
            for _ in range(6)
        ]
    assert statuses == [200] * 6


def test_the_counts_of_two_workers_agree(container: Container) -> None:
    before = admitted(container)
    for _ in range(12):
        answer = Caller(container.url).send(start_of_a_new_user()).answer()
        assert answer.status_code == 201

    scrapes = [admitted(container) for _ in range(10)]
    assert scrapes == [before + 12] * 10


def get(path: str, *, host: str = "127.0.0.1") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def start_of_a_new_user() -> bytes:
    """Return the bytes of a start, the same stream at each repeat."""
    body = b'{"streamId":"456","deviceId":"tv"}'
    path = f"/users/user-{uuid.uuid4()}/streams"
    return post(path, f"Content-Length: {len(body)}", body=body)


def admitted(container: Container) -> float:
    """Scrape the instance by its address, and return the number of admitted starts."""
    scrape = get("/metrics", host=f"10.0.3.7:{container.port}")
    answer = Caller(container.url).send(scrape).answer()
    assert answer.status_code == 200
    samples = re.findall(
        r'^stream_limits_decisions_total\{outcome="admitted"\} (\S+)$',
        answer.text,
        re.MULTILINE,
    )
    return float(samples[0]) if samples else 0.0


def test_the_health_check_of_the_image_asks_the_server(
    container: Container, image: Path, environment: dict[str, str]
) -> None:
    def status(port: int) -> int:
        # A proxy for all hosts must not receive the request.
        proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        return subprocess.run(
            health_check(),
            cwd=image,
            env=environment | proxy | {"PORT": str(port)},
            timeout=WITHIN_SECONDS,
        ).returncode

    assert status(container.port) == 0
    assert status(free_port()) == 1


class Player:
    """A client that sends requests on one connection until the server ends it."""

    def __init__(self, url: str) -> None:
        self.caller = Caller(url)
        self.answered = 0
        self.request = start_of_a_new_user()

    def play(self) -> None:
        """Raise an error if a request gets no answer."""
        is_open = True
        while is_open:
            answer = self.caller.send(self.request).answer()
            assert answer.status_code in (200, 201)
            is_open = answer.headers.get("Connection") != "close"
            self.answered += 1
            time.sleep(0.02)


def test_sigterm_loses_no_request(
    image: Path, environment: dict[str, str], table: None
) -> None:
    with running(image, environment) as container:
        container.wait_until_ready()
        start = post("/users/u/streams", "Content-Length: 18", body=b'{"streamId":')
        arriving = Caller(container.url).send(start)
        players = [Player(container.url) for _ in range(12)]

        with ThreadPoolExecutor(12) as pool:
            playing = [pool.submit(player.play) for player in players]
            wait_until(
                lambda: all(player.answered > 2 for player in players), seconds=30
            )
            container.process.terminate()
            for future in playing:
                future.result(WITHIN_SECONDS)

        assert arriving.send(b'"456"}').answer().status_code == 201
        arriving.socket.close()
        assert container.process.wait(WITHIN_SECONDS) == 0


def test_a_container_without_a_key_of_its_own_does_not_start(
    image: Path, environment: dict[str, str]
) -> None:
    with running(image, environment | {"DEBUG": "0"}) as container:
        assert container.process.wait(WITHIN_SECONDS) != 0


# --- the files -----------------------------------------------------------------------


class DynamoDBLocal(BaseHTTPRequestHandler):
    """A database in which the table exists."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"Table":{"TableName":"UserStreams","TableStatus":"ACTIVE"}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_the_table_waits_for_a_database_that_listens_late(
    image: Path, environment: dict[str, str]
) -> None:
    port = free_port()
    late = environment | {"DYNAMODB_ENDPOINT": f"http://127.0.0.1:{port}"}
    words = [sys.executable, *COMPOSE["services"]["table"]["command"][1:]]
    with subprocess.Popen(words, cwd=image, env=late) as process:
        time.sleep(3)
        assert process.poll() is None, "it waits"

        server = HTTPServer(("127.0.0.1", port), DynamoDBLocal)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert process.wait(WITHIN_SECONDS) == 0
        finally:
            server.shutdown()
            server.server_close()


def test_the_image_is_built_from_what_is_pinned() -> None:
    (install,) = (step for step in instructions("RUN") if "pip install" in step)
    named = re.findall(r"-r (\S+)", install)
    assert named == [
        "requirements.txt",
        "requirements-jwks.txt",
        "requirements-container.txt",
    ]
    assert all((PROJECT / name).is_file() for name in named)
    assert "--require-hashes" in install
    (base,) = instructions("FROM")
    assert re.fullmatch(r"python:3\.13-slim@sha256:[0-9a-f]{64}", base)


def test_everything_that_is_copied_is_sent_to_the_builder() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().split()
    copied = [source for line in instructions("COPY") for source in line.split()[:-1]]
    assert ignored[0] == "*"
    assert {f"!{source}" for source in copied} == set(ignored[1:-1])


def test_compose_publishes_to_this_machine_only() -> None:
    services = COMPOSE["services"]
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name in services if "ports" in services[name]] == ["web"]
    assert services["web"]["environment"] == services["table"]["environment"]
