"""The web client, by Node's test runner, in a simulation, and as a package."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers import PROJECT

MAX_MINIFIED_BYTES = 7168
WEB = PROJECT / "clients" / "web"
BINDINGS = [
    f"players/{name}.d.ts" for name in ("binding", "dash", "hls", "shaka", "videojs")
]
"""The types of the bindings of players."""
TSC = ["npx", "--yes", "--package=typescript@5.9.3", "tsc"]

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
    count = os.environ.get("INTERLEAVINGS", "800")
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
    command = [*TSC, "--noEmit", "--strict", "tests/client/app.ts"]
    for name, value in options.items():
        command += [name, value]

    finished = run(command)
    assert finished.returncode == 0, finished.stdout


def test_the_types_are_those_of_the_source(tmp_path: Path) -> None:
    script = json.loads((WEB / "package.json").read_text())["scripts"]["types"]
    _, *options = script.split()
    finished = subprocess.run(
        [*TSC, *options, "--outDir", str(tmp_path)],
        cwd=WEB,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stdout
    names = ["streams-client.d.ts", *sorted(BINDINGS)]
    for name in names:
        assert (tmp_path / name).read_text() == (WEB / name).read_text(), name


def test_the_package_installs_into_an_empty_project(tmp_path: Path) -> None:
    packed = run(["npm", "pack", "--json", f"--pack-destination={tmp_path}", str(WEB)])
    assert packed.returncode == 0, packed.stderr
    [package] = json.loads(packed.stdout)
    assert sorted(file["path"] for file in package["files"]) == [
        "README.md",
        "package.json",
        *sorted([*BINDINGS, *(name.replace(".d.ts", ".js") for name in BINDINGS)]),
        "streams-client.d.ts",
        "streams-client.js",
        "streams-timer.js",
    ]

    project = tmp_path / "project"
    project.mkdir()
    (project / "package.json").write_text('{"type": "module"}')
    installed = subprocess.run(
        ["npm", "install", "--offline", "--no-audit", tmp_path / package["filename"]],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert installed.returncode == 0, installed.stderr

    (project / "app.js").write_text(
        f"""
        import {{ StreamClient, tabId, timerWorker }} from "{package["name"]}";
        const client = new StreamClient({{ url: "https://streams.example.com" }});
        console.log(client.stream, typeof tabId(), timerWorker());
        """
    )
    finished = subprocess.run(
        node("app.js"), cwd=project, capture_output=True, text=True, timeout=60
    )
    assert finished.stdout == "null string undefined\n", finished.stderr
