"""The container without a container engine: its files and its commands."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.verify import main
from tests.servers import PROJECT, WITHIN_SECONDS, free_port

DOCKERFILE = (PROJECT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((PROJECT / "compose.yaml").read_text())


def command() -> list[str]:
    """Return the command that the image runs."""
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILE, re.M)
    assert found
    words: list[str] = json.loads(found[1])
    return [sys.executable, "-m", *words]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with exactly the files that the image contains."""
    folder = tmp_path_factory.mktemp("image")
    for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.M):
        *sources, target = line.split()
        for source in sources:
            path = PROJECT / source
            if path.is_dir():
                shutil.copytree(
                    path, folder / target, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(path, folder / target)
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Return the variables of compose.yaml, with a local engine and a new table."""
    line = re.search(r"^ENV (.*)$", DOCKERFILE, re.M)
    assert line, "the image sets variables"
    variables = re.findall(r"(\w+)=(\S+)", line[1])
    web: dict[str, Any] = COMPOSE["services"]["web"]["environment"]
    more = {
        "DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"],
        "DYNAMODB_TABLE": f"Container-{uuid.uuid4()}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return dict(variables) | web | more


@contextmanager
def running(
    image: Path, environment: dict[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the URL of the image's command on loopback."""
    port = free_port()
    bound = environment | {
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port} --log-level warning"
    }
    with subprocess.Popen(
        command(), cwd=image, env=bound, start_new_session=True
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_until_ready(url: str) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
        for _ in range(5):
            with suppress(httpx.TransportError):
                assert (
                    client.get(f"{url}/readyz", timeout=WITHIN_SECONDS).status_code
                    == 200
                )
                return
        raise AssertionError("it does not answer")


def test_the_container_serves_keeps_its_promises_and_ends_with_grace(
    image: Path, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    table = COMPOSE["services"]["table"]["command"]
    subprocess.run(
        [sys.executable, *table[1:]],
        cwd=image,
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    with running(image, environment) as (url, process):
        wait_until_ready(url)
        assert main([url, "--slow-ms", "60000", "--at-once", "6"]) == 0, (
            capsys.readouterr().out
        )
        page = httpx.get(
            f"{url}/console", headers={"Accept": "text/html"}, follow_redirects=True
        )
        styles = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
        assert styles
        assert [
            httpx.get(url + style).headers["Content-Type"].partition(";")[0]
            for style in styles
        ] == ["text/css"] * len(styles)
        process.terminate()
        assert process.wait(WITHIN_SECONDS) == 0


def test_a_container_without_a_key_of_its_own_does_not_start(
    image: Path, environment: dict[str, str]
) -> None:
    with running(image, environment | {"DEBUG": "0"}) as (_, process):
        assert process.wait(WITHIN_SECONDS) != 0


def test_the_image_is_asked_for_what_is_pinned() -> None:
    named = re.findall(r"-r (\S+)", DOCKERFILE)
    assert named == [
        "requirements.txt",
        "requirements-jwks.txt",
        "requirements-container.txt",
    ]
    assert all((PROJECT / name).is_file() for name in named)
    assert "--require-hashes" in DOCKERFILE


def test_compose_publishes_to_this_machine_only() -> None:
    services = COMPOSE["services"]
    assert services["web"]["ports"] == ["127.0.0.1:8000:8000"]
    assert [name for name in services if "ports" in services[name]] == ["web"]
    assert services["web"]["environment"] == services["table"]["environment"]
