"""The embedded DynamoDB of local development: ministack in a process of its own, on loopback.

It stops with the process that started it, however that ends (Ctrl-C, SIGTERM, SIGKILL): it reads from a pipe that
nobody writes to, and saves its state and stops when the other end is closed."""

import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).resolve().parent.parent
LOCAL = Path(os.environ.get("LOCAL_STATE_DIR") or PROJECT / ".local").absolute()
START_WITHIN_SECONDS = 60

CONFIGURED_BY = (
    "DYNAMODB_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_STAGE",
)
"""With any of these in the environment there is a DynamoDB already, or the way to Amazon's."""
BRIEF = ("streams", "limit")
"""Commands that are done in a moment: an engine that one of them started stops with it."""
FILES_OF_CREDENTIALS = (
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ("AWS_CONFIG_FILE", "~/.aws/config"),
)
"""Where profiles are kept, those of single sign-on too. Who has them, and runs an operator's command, means AWS."""


@contextmanager
def local_dynamodb(command: str) -> Iterator[None]:
    """Have `DYNAMODB_ENDPOINT` set for the commands that need a table: the engine whose state is in `.local/`."""
    if command in ("runserver", *BRIEF) and not _is_configured(command):
        with _shared_engine(is_brief=command in BRIEF) as endpoint:
            os.environ["DYNAMODB_ENDPOINT"] = endpoint
            yield
    else:
        yield


def _is_configured(command: str) -> bool:
    """Whether there is a DynamoDB, or the way to Amazon's. `runserver` is for development, whoever has an account."""
    if any(os.environ.get(name) for name in CONFIGURED_BY):
        return True
    files = (
        Path(os.environ.get(name) or default).expanduser()
        for name, default in FILES_OF_CREDENTIALS
    )
    return command in BRIEF and any(path.is_file() for path in files)


@contextmanager
def _shared_engine(*, is_brief: bool) -> Iterator[str]:
    """The engine on the state in `.local/`: the one that another process runs, else one of this process. That of a
    brief command is not shared, since a server that used it would lose it a moment later: who starts meanwhile waits
    for the lock."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    address = LOCAL / "endpoint"
    with (LOCAL / "lock").open("w") as lock:
        if endpoint := _running_elsewhere(address, lock):
            yield endpoint
            return
        address.unlink(missing_ok=True)
        # The engine inherits the lock, so that nobody reads the state before it is written.
        with engine(LOCAL / "dynamodb", keep=True, lock=lock) as endpoint:
            if not is_brief:
                address.write_text(endpoint)
            yield endpoint


def _running_elsewhere(address: Path, lock: IO[str]) -> str | None:
    """The endpoint of the process that has the lock; None when the lock is ours."""
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        with suppress(OSError, ValueError):
            endpoint = address.read_text()
            port = int(endpoint.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return endpoint
        time.sleep(0.05)
    sys.exit(
        f"Another process holds {LOCAL / 'lock'}, but its DynamoDB does not answer. Stop that process and try again."
    )


@contextmanager
def engine(
    state: Path,
    *,
    keep: bool,
    port: int | None = None,
    services: Sequence[str] = ("dynamodb",),
    lock: IO[str] | None = None,
    module: str = "streams_project.local_dynamodb",
) -> Iterator[str]:
    """A running engine, by its endpoint: DynamoDB, or more of AWS. It stops when the process that started it ends,
    however that ends. `port` is any free one unless given; with `keep`, the state outlives the engine. `module` is what
    its process runs, and ends in `run_engine`."""
    if importlib.util.find_spec("ministack") is None:
        sys.exit(
            "No DynamoDB is configured, and the embedded one is not installed. Install requirements-dev.txt, or set "
            "DYNAMODB_ENDPOINT, or AWS credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID)."
        )
    state.mkdir(exist_ok=True)
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    environment = (
        os.environ
        | {
            "SERVICES": ",".join(services),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "PERSIST_STATE": "1" if keep else "0",
            "STATE_DIR": str(state),
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",  # else it listens on 0.0.0.0:8883, whatever services are asked for
        }
    )
    with (state / "engine.log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603  # `module` is this project's own
            [sys.executable, "-m", module],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a Ctrl-C is for the server; the engine goes after it, when the pipe closes
            pass_fds=() if lock is None else (lock.fileno(),),
        )
    try:
        _wait_until_it_listens(process, port, log=state / "engine.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _wait_until_it_listens(
    process: subprocess.Popen[bytes], port: int, *, log: Path
) -> None:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"The embedded DynamoDB did not start:\n{log.read_text()[-2000:]}")


def run_engine() -> None:
    """What the engine's own process does."""

    def stop_when_the_parent_is_gone() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_the_parent_is_gone, daemon=True).start()
    from ministack.app import main

    sys.argv = ["ministack"]
    main()


if __name__ == "__main__":
    run_engine()
