"""`manage.py runserver` and `make run`: a process that is started and killed."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from streams_project.local_dynamodb import CONFIGURED_BY
from tests.servers import (
    PROJECT,
    WITHIN_SECONDS,
    free_port,
    is_open,
    running,
    runserver,
)
from tests.viewer import Viewer


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "local"


@pytest.fixture
def environment(state: Path) -> dict[str, str]:
    """Return the environment of a machine on which no DynamoDB is configured."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*CONFIGURED_BY, "DEBUG", "PRIVATE_NETWORK")
    }
    return kept | {"LOCAL_STATE_DIR": str(state), "PYTHONUNBUFFERED": "1"}


def wait_until_the_engine_is_gone(state: Path) -> None:
    """Wait for the lock, which the engine holds while it runs."""
    with (state / "lock").open() as lock:
        waiter = threading.Thread(
            target=fcntl.flock, args=(lock, fcntl.LOCK_EX), daemon=True
        )
        waiter.start()
        waiter.join(WITHIN_SECONDS)
        assert not waiter.is_alive(), "an orphan engine holds the lock"


@pytest.mark.parametrize(
    "end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda end: end.name
)
def test_the_server_ends_with_its_engine_and_a_restart_loses_nothing(
    environment: dict[str, str], state: Path, end: signal.Signals
) -> None:
    with running(runserver(), environment) as server, server.client() as client:
        assert Viewer(client, "user1").list()["active"] == 1
        assert Viewer(client, "user2").list()["active"] == 3
        statuses = [Viewer(client, "123").start("456").status_code for _ in range(4)]
        assert statuses == [201, 201, 201, 409]
        before = Viewer(client, "123").list()["streams"]
        server.process.send_signal(end)
        server.process.wait(WITHIN_SECONDS)
    wait_until_the_engine_is_gone(state)
    assert not is_open(server.dynamodb)
    with running(runserver(), environment) as server, server.client() as client:
        after = Viewer(client, "123").list()["streams"]
        assert [stream["id"] for stream in after] == [stream["id"] for stream in before]
        assert Viewer(client, "user2").list()["active"] == 3, (
            "the demo users are loaded once"
        )


def test_make_run_killed_outright_leaves_nothing_behind(
    environment: dict[str, str], state: Path
) -> None:
    command = [
        "make",
        "run",
        f"PORT={free_port()}",
        f"PYTHON={sys.executable}",
        "READY=",
    ]
    with running(command, environment) as server:
        assert is_open(server.url)
        server.process.kill()
        wait_until_the_engine_is_gone(state)
        assert not is_open(server.url)
        assert not is_open(server.dynamodb)


def test_a_second_server_shares_the_engine_of_the_first(
    environment: dict[str, str],
) -> None:
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(running(runserver(), environment)) for _ in range(2)
        )
        assert first.dynamodb == second.dynamodb
        with first.client() as one, second.client() as other:
            Viewer(one, "123").started("456", deviceId="tv")
            assert [
                stream["id"] for stream in Viewer(other, "123").list()["streams"]
            ] == ["tv"]


def test_a_taken_port_is_a_clear_error(
    environment: dict[str, str], state: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            runserver(port),
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode != 0
    assert (
        f"Port {port} is in use. Choose another: PORT={port + 1} make run"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    wait_until_the_engine_is_gone(state)


CALLERS = 256


def test_256_callers_who_come_at_once_are_all_served_and_their_connections_end_properly(
    environment: dict[str, str], user_id: str
) -> None:
    """The server closes each connection by a FIN, and never by a reset."""
    environment |= {"DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"]}
    together = threading.Barrier(CALLERS)

    def start(number: int) -> bytes:
        body = b'{"streamId":"456"}'
        head = (
            f"POST /users/{user_id}-{number}/streams HTTP/1.1\r\n"
            "Host: 127.0.0.1\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        together.wait(WITHIN_SECONDS)
        with socket.create_connection(
            address, timeout=2 * WITHIN_SECONDS
        ) as connection:
            connection.sendall(head + body)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    with (
        running(runserver(free_port()), environment) as server,
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        answers = list(pool.map(start, range(CALLERS)))

        chunks = (part for part in (b'{"streamId":', b'"456"}'))
        url = f"{server.url}/users/{user_id}/streams"
        headers = {"Content-Type": "application/json"}
        of_unknown_length = httpx.post(url, content=chunks, headers=headers)

    assert of_unknown_length.status_code == 201
    assert {answer.partition(b"\r\n")[0] for answer in answers} == {
        b"HTTP/1.1 201 Created"
    }


@pytest.mark.parametrize(
    "variable", ["DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]
)
def test_with_an_endpoint_given_no_engine_is_started(
    environment: dict[str, str], state: Path, variable: str
) -> None:
    endpoint = os.environ["DYNAMODB_ENDPOINT"]
    with running(runserver(), environment | {variable: endpoint}) as server:
        assert server.dynamodb == endpoint
        assert not state.exists()


def test_with_aws_credentials_given_no_engine_is_started(
    environment: dict[str, str], state: Path
) -> None:
    with running(runserver(), environment | {"AWS_PROFILE": "default"}) as server:
        assert server.dynamodb.startswith("Amazon")
        assert not state.exists()


def test_without_an_engine_installed_the_error_says_what_to_do(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: "
        "None if name == 'ministack' else find(name, *rest)\n"
    )
    done = subprocess.run(
        runserver(),
        cwd=PROJECT,
        env=environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "requirements-dev.txt" in done.stderr
    assert "DYNAMODB_ENDPOINT" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        (
            "STREAM_LIMIT",
            "three",
            "STREAM_LIMIT is 'three'. Set it to an integer from 0 to 100",
        ),
        ("STREAM_LIMIT", "101", "STREAM_LIMIT is '101'"),
        ("LEASE_SECONDS", "0", "LEASE_SECONDS is '0'"),
        (
            "WHEN_FULL",
            "explode",
            "WHEN_FULL is 'explode'. Set it to one of deny, evict-oldest",
        ),
        ("DEBUG", "perhaps", "DEBUG is 'perhaps'"),
        ("DEBUG", "0", "ALLOWED_HOSTS is not set"),
    ],
)
def test_a_wrong_setting_stops_the_process_by_name(
    environment: dict[str, str], variable: str, value: str, message: str
) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=PROJECT,
        env=environment | {"DEBUG": "1", variable: value},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert message in done.stderr


PRODUCTION = {
    "DEBUG": "0",
    "ALLOWED_HOSTS": "streams.example.com",
    "API_KEYS": f"billing:{'0' * 64}:streams:operate",
    "LEASE_TOKEN_KEYS": "key-of-lease-tokens-0123456789abcdef",
}


def command(
    environment: dict[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("missing", ["ALLOWED_HOSTS", "API_KEYS", "LEASE_TOKEN_KEYS"])
def test_outside_local_development_nothing_runs_without_what_makes_it_safe(
    environment: dict[str, str], missing: str
) -> None:
    configured = {name: value for name, value in PRODUCTION.items() if name != missing}
    done = command(environment | configured, "check")
    assert done.returncode != 0
    assert missing in done.stderr.strip().splitlines()[-1]


def test_what_is_configured_for_production_passes_the_frameworks_own_checks(
    environment: dict[str, str],
) -> None:
    done = command(
        environment | PRODUCTION, "check", "--deploy", "--fail-level", "WARNING"
    )
    assert done.returncode == 0, done.stderr


def test_without_authentication_only_loopback_is_served(
    environment: dict[str, str],
) -> None:
    done = command(environment, "runserver", "--noreload", f"0.0.0.0:{free_port()}")
    assert done.returncode != 0
    assert "loopback only" in done.stderr


@pytest.mark.engine
def test_a_server_killed_between_requests_has_lost_nothing_when_it_is_back(
    environment: dict[str, str], user_id: str
) -> None:
    environment |= {"DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"]}
    with running(runserver(), environment) as server, server.client() as client:
        started = [
            Viewer(client, user_id).started("456", deviceId=device)
            for device in ("tv", "phone", "web")
        ]
        Viewer(client, user_id).end("web")
        server.process.kill()
    with running(runserver(), environment) as server, server.client() as client:
        viewer = Viewer(client, user_id)
        assert [stream["id"] for stream in viewer.list()["streams"]] == ["tv", "phone"]
        assert viewer.heartbeat("tv", started[0]["token"]).status_code == 200, (
            "its player goes on"
        )
        assert viewer.start("456", deviceId="phone").status_code == 200, (
            "its slot is its own"
        )
        assert [viewer.start("456").status_code for _ in range(2)] == [201, 409]


@pytest.mark.engine
@pytest.mark.parametrize("acknowledged_before_the_kill", [5, 40])
def test_a_server_killed_in_the_middle_loses_no_acknowledged_stream(
    environment: dict[str, str], user_id: str, acknowledged_before_the_kill: int
) -> None:
    """The engine lives on, as DynamoDB does."""
    environment |= {"DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"]}
    users = [f"{user_id}-{number}" for number in range(20)]
    asked = [(user, f"device-{number}") for number in range(5) for user in users]
    acknowledged: set[tuple[str, str]] = set()

    with running(runserver(), environment) as server, server.client() as client:

        def start(user: str, device: str) -> None:
            try:
                if (
                    Viewer(client, user).start("456", deviceId=device).status_code
                    == 201
                ):
                    acknowledged.add((user, device))
            except httpx.TransportError:
                return
            if len(acknowledged) >= acknowledged_before_the_kill:
                server.process.kill()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: start(*one), asked))
        assert server.process.wait(WITHIN_SECONDS) == -signal.SIGKILL

    assert len(acknowledged) < 60, "the kill came in the middle"
    with running(runserver(), environment) as server, server.client() as client:
        live = {
            (user, stream["id"])
            for user in users
            for stream in Viewer(client, user).list()["streams"]
        }
        assert acknowledged <= live
        for user, device in acknowledged:
            assert (
                Viewer(client, user).start("456", deviceId=device).status_code == 200
            ), "its slot is its own"
        for user, device in asked:
            assert Viewer(client, user).start("456", deviceId=device).status_code in (
                200,
                201,
                409,
            )
        assert [Viewer(client, user).list()["active"] for user in users] == [3] * len(
            users
        )
