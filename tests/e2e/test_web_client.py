"""The web client, by Node's test runner, in a simulation, and as a package."""

import os
import shutil
import subprocess

import pytest

from tests.servers import PROJECT

MAX_MINIFIED_BYTES = 4864

pytestmark = pytest.mark.node


def run(
    command: list[str], *, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder."""
    return subprocess.run(
        command,
        cwd=PROJECT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def node(*arguments: str) -> list[str]:
    return [shutil.which("node") or "node", *arguments]


def test_the_web_client_passes_its_own_tests(server_url: str) -> None:
    finished = run(node("--test", "tests/client/"), STREAMS_URL=server_url)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_in_any_interleaving_the_last_start_plays_in_the_only_slot(
    server_url: str,
) -> None:
    """`INTERLEAVINGS` sets their number. A failure prints its history and its seed."""
    count = os.environ.get("INTERLEAVINGS", "2000")
    finished = run(
        node("tests/client/simulation.mjs", count),
        timeout=600,
        STREAMS_URL=server_url,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_web_client_is_small() -> None:
    options = ["--minify", "--format=esm", "clients/web/streams-client.js"]
    finished = run(["npx", "--yes", "esbuild@0.25.12", *options])
    assert finished.returncode == 0, finished.stderr
    assert len(finished.stdout.encode()) < MAX_MINIFIED_BYTES


def test_an_app_that_uses_the_whole_client_compiles() -> None:
    options = {
        "--target": "es2022",
        "--lib": "es2022,dom",
        "--moduleResolution": "bundler",
        "--module": "es2022",
    }
    command = ["npx", "--yes", "--package=typescript@5.9.3", "tsc"]
    command += ["--noEmit", "--strict", "tests/client/app.ts"]
    for name, value in options.items():
        command += [name, value]

    finished = run(command)
    assert finished.returncode == 0, finished.stdout
