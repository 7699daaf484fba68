"""Packages each peer as it would ship: a zip, and its unzipped, read-only folder."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.engines import PROJECT
from bench.workers import progress

REQUIREMENTS = {
    "bare": ["boto3"],
    "powertools": ["boto3", "aws-lambda-powertools"],
    "fastapi_mangum": ["boto3", "fastapi", "mangum"],
    "flask_zappa": ["boto3", "flask", "zappa"],
}
ARCHITECTURES = {"aarch64": "arm64"}
"""AWS's names of architectures, where they differ from Python's."""
WRITE_PERMISSIONS = 0o222
MIB = 2**20


@contextmanager
def packaged(
    peers: Sequence[str],
) -> Iterator[tuple[dict[str, Path], dict[str, float]]]:
    """Package the peers. Yield the folder of each, and the size of its zip in MiB."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = {}
        sizes = {}
        for peer in peers:
            progress(f"packaging {peer}")
            folder = Path(scratch) / peer
            folders[peer] = folder
            sizes[peer] = _package(peer, folder)
        yield folders, sizes


def _package(peer: str, folder: Path) -> float:
    """Create the folder and return the size of the zip in MiB.

    All modules are compiled in advance, as they are in the service's own package.
    """
    folder.mkdir()
    archive = folder.with_suffix(".zip")
    if peer == "service":
        _package_by_zappa(archive)
        shutil.unpack_archive(archive, folder)
    else:
        _install(REQUIREMENTS[peer], folder)
        shutil.make_archive(str(folder), "zip", folder)

    _add_benchmark(folder)
    _compile(folder)
    _make_read_only(folder)
    return archive.stat().st_size / MIB


def _package_by_zappa(archive: Path) -> None:
    """Package as for production, for the architecture of this machine."""
    settings = json.loads((PROJECT / "zappa_settings.json").read_text())
    machine = platform.machine()
    settings["base"]["architecture"] = ARCHITECTURES.get(machine, machine)
    settings_file = archive.with_suffix(".json")
    settings_file.write_text(json.dumps(settings))

    command = ["zappa", "package", "production"]
    command += ["-s", str(settings_file), "-o", str(archive)]
    variables = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VIRTUAL_ENV": sys.prefix,
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    _run(command, env=variables)


def _install(requirements: Sequence[str], folder: Path) -> None:
    """Install the versions that this environment has."""
    pinned = [f"{name}=={version(name)}" for name in requirements]
    options = ["--quiet", "--no-compile", "--target", str(folder)]
    _run([sys.executable, "-m", "pip", "install", *options, *pinned])


def _add_benchmark(folder: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "bench", folder / "bench", ignore=ignored)


def _compile(folder: Path) -> None:
    options = ["-q", "--invalidation-mode", "unchecked-hash"]
    _run([sys.executable, "-m", "compileall", *options, str(folder)])


def _make_read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & ~WRITE_PERMISSIONS)


def _run(command: list[str], **options: Any) -> None:
    """Run a command. Its output is shown only if it fails."""
    finished = subprocess.run(
        command,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    if finished.returncode:
        raise RuntimeError(f"{command} failed:\n{finished.stdout}{finished.stderr}")
