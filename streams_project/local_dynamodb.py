"""The embedded DynamoDB of local development: ministack in a separate process.

It listens on loopback. It stops with the process that started it, however that ends
(Ctrl-C, SIGTERM, SIGKILL): it reads from a pipe, and when the other end is closed,
it saves its state and stops.
"""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

try:
    import fcntl
except ImportError:
    sys.exit("Windows is not supported. Use WSL, and start the service there.")

PROJECT = Path(__file__).resolve().parent.parent
LOCAL = Path(os.environ.get("LOCAL_STATE_DIR") or PROJECT / ".local").absolute()
START_WITHIN_SECONDS = 60
LOOPBACK = ("127.0.0.1", "localhost", "::1")

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
)
"""Each of these variables configures a DynamoDB, or credentials for Amazon's."""

CREDENTIALS_FILES = (
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ("AWS_CONFIG_FILE", "~/.aws/config"),
)
"""Files of profiles, with the variables that name other files.

An operator's command uses Amazon's DynamoDB if such a file exists.
"""


def is_configured(*, use_credentials_files: bool) -> bool:
    """Return whether a DynamoDB, or credentials for Amazon's, are configured."""
    if any(os.environ.get(name) for name in CONFIGURED_BY):
        return True
    if not use_credentials_files:
        return False

    files = [os.environ.get(name) or default for name, default in CREDENTIALS_FILES]
    return any(Path(file).expanduser().is_file() for file in files)


class SharedEngine(NamedTuple):
    """The engine of this machine, which another process can have started."""

    endpoint: str
    is_own: bool


@contextmanager
def shared_engine(*, is_brief: bool) -> Iterator[SharedEngine]:
    """Run the engine on the state in `.local/`.

    An engine that another process runs is used if there is one. The engine of a
    brief command is not shared, because a server that used it would lose it a moment
    later: a process that starts meanwhile waits for the lock.
    """
    address = LOCAL / "endpoint"
    with _lock_file() as lock:
        endpoint = _running_elsewhere(address, lock)
        if endpoint is not None:
            yield SharedEngine(endpoint, is_own=False)
            return

        address.unlink(missing_ok=True)
        # The engine inherits the lock, so that the state is complete before another
        # process reads it.
        with engine(LOCAL / "dynamodb", keep=True, lock=lock) as endpoint:
            if not is_brief:
                address.write_text(endpoint)
            yield SharedEngine(endpoint, is_own=True)


def _lock_file() -> IO[str]:
    """Open the lock, in a folder that this process can write to."""
    try:
        LOCAL.mkdir(parents=True, exist_ok=True)
        (LOCAL / "dynamodb").mkdir(exist_ok=True)
        if not os.access(LOCAL / "dynamodb", os.W_OK):
            raise PermissionError(f"no permission to write {LOCAL / 'dynamodb'}")
        return (LOCAL / "lock").open("w")
    except OSError as exc:
        sys.exit(
            f"The folder {LOCAL} cannot be used: {exc}. "
            "Set LOCAL_STATE_DIR to a folder of yours, such as ~/.streams."
        )


def without_proxy(environ: MutableMapping[str, str]) -> None:
    """Exclude loopback from the proxies that the environment configures."""
    names = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if names != "*":
        hosts = [name for name in names.split(",") if name]
        hosts += [host for host in LOOPBACK if host not in hosts]
        names = ",".join(hosts)
    environ["no_proxy"] = names
    environ["NO_PROXY"] = names


def is_listening(endpoint: str) -> bool:
    """Return whether a process listens at the port of an endpoint on loopback."""
    port = int(endpoint.rpartition(":")[2])
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _running_elsewhere(address: Path, lock: IO[str]) -> str | None:
    """Take the lock, or return the endpoint of the process that holds it."""
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
        with suppress(OSError, ValueError):
            endpoint = address.read_text()
            if is_listening(endpoint):
                return endpoint
        time.sleep(0.05)
    sys.exit(
        f"Another process holds {LOCAL / 'lock'}, but its DynamoDB does not answer. "
        "Stop the process and retry."
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
    """Run an engine and return its endpoint: DynamoDB, or more services of AWS.

    It stops when the process that started it ends. `port` is by default any free
    port. With `keep`, the state outlives the engine. `module` is the module that its
    process runs, and calls `run_engine`.
    """
    if importlib.util.find_spec("ministack") is None:
        sys.exit(
            "DynamoDB is not configured and the embedded engine is not installed. "
            "Install requirements-dev.txt, or set DYNAMODB_ENDPOINT or AWS "
            "credentials (AWS_PROFILE or AWS_ACCESS_KEY_ID)."
        )
    state.mkdir(exist_ok=True)
    if port is None:
        port = _free_port()

    log = state / "engine.log"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603  # a module of this project
            [sys.executable, "-m", module],
            cwd=PROJECT,
            env=os.environ | _environment(state, keep=keep, port=port, of=services),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            # A Ctrl-C is for the server; the engine stops when the pipe closes.
            start_new_session=True,
            pass_fds=() if lock is None else (lock.fileno(),),
        )
    try:
        _wait_until_it_listens(process, port, log=log)
        yield f"http://127.0.0.1:{port}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _environment(
    state: Path, *, keep: bool, port: int, of: Sequence[str]
) -> dict[str, str]:
    """Return the variables of the engine's process."""
    return {
        "SERVICES": ",".join(of),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1" if keep else "0",
        "STATE_DIR": str(state),
        "LOG_LEVEL": "WARNING",
        # By default it listens on 0.0.0.0:8883, for all lists of services.
        "IOT_MTLS_ENABLED": "0",
    }


def _wait_until_it_listens(
    process: subprocess.Popen[bytes], port: int, *, log: Path
) -> None:
    deadline = time.monotonic() + START_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"The embedded DynamoDB did not start:\n{log.read_text()[-2000:]}")


def run_engine() -> None:
    """Run the engine in this process until the pipe is closed."""

    def stop_with_the_parent() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_with_the_parent, daemon=True).start()
    from ministack.app import main

    sys.argv = ["ministack"]
    main()


if __name__ == "__main__":
    run_engine()
