"""Each peer as it would ship: its zip's size, and its unzipped folder, on which nobody can write."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.engines import PROJECT
from bench.workers import progress

NEEDS = {
    "bare": ["boto3"],
    "powertools": ["boto3", "aws-lambda-powertools"],
    "fastapi_mangum": ["boto3", "fastapi", "mangum"],
    "flask_zappa": ["boto3", "flask", "zappa"],
}


@contextmanager
def packaged(peers: list[str]) -> Iterator[tuple[dict[str, Path], dict[str, float]]]:
    """The folder of each peer, and the size of its zip in MiB."""
    with tempfile.TemporaryDirectory() as scratch:
        folders = {peer: Path(scratch) / peer for peer in peers}
        sizes = {}
        for peer, folder in folders.items():
            progress(f"packaging {peer}")
            sizes[peer] = _package(peer, folder)
        yield folders, sizes


def _package(peer: str, folder: Path) -> float:
    """Make the folder; the size of its zip in MiB. Everything is compiled ahead, as the service is when it ships."""
    archive = folder.with_suffix(".zip")
    folder.mkdir()
    if peer == "service":
        _zappa_packages(archive)
        shutil.unpack_archive(archive, folder)
    else:
        pinned = [f"{name}=={version(name)}" for name in NEEDS[peer]]
        _quietly(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-compile",
                "--target",
                str(folder),
                *pinned,
            ]
        )
        shutil.make_archive(str(folder), "zip", folder)
    shutil.copytree(
        PROJECT / "bench",
        folder / "bench",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    _quietly(
        [
            sys.executable,
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            str(folder),
        ]
    )
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & ~0o222)
    return archive.stat().st_size / 2**20


def _zappa_packages(archive: Path) -> None:
    """As for production, but for this machine's architecture: it is going to run here."""
    settings = json.loads((PROJECT / "zappa_settings.json").read_text())
    settings["base"]["architecture"] = {"aarch64": "arm64"}.get(
        platform.machine(), platform.machine()
    )
    file = archive.with_suffix(".json")
    file.write_text(json.dumps(settings))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    _quietly(
        ["zappa", "package", "production", "-s", str(file), "-o", str(archive)],
        env=os.environ
        | {"PATH": path, "VIRTUAL_ENV": sys.prefix, "AWS_DEFAULT_REGION": "eu-west-1"},
    )


def _quietly(command: list[str], **options: Any) -> None:
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
