"""Finds the wheels that ship, for the Python and the architecture of a stage.

requirements*.txt pin the wheels by hash. pip downloads each wheel once into
`.cache/wheels` and refuses a file with another hash. The cached files are hashed again
on every use.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from click import ClickException

from stages import PROJECT

CACHE = PROJECT / ".cache" / "wheels"
LOCK_FILES = (PROJECT / "requirements.txt", PROJECT / "requirements-jwks.txt")

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""The names of architectures in wheels, by Lambda's names."""

GLIBC_TAGS = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""The platforms that Amazon Linux 2023 runs, with Lambda's Python 3.12 and later."""

COMMENT = re.compile(r"^\s*(#|-r ).*\n", re.MULTILINE)
REQUIREMENT = re.compile(r"^([a-z0-9.-]+)==(\S+)(.*)$", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """A distribution at one version, with the SHA-256 of each of its files on PyPI."""

    name: str
    version: str
    hashes: frozenset[str]

    @property
    def requirement(self) -> str:
        """The line of a requirements file that pins the distribution."""
        hashes = [f"--hash=sha256:{digest}" for digest in sorted(self.hashes)]
        return " ".join([f"{self.name}=={self.version}", *hashes])


def pins(*lock_files: Path) -> dict[str, Pin]:
    """Return the distributions that lock files pin. The keys are their names."""
    pinned = {}
    for lock_file in lock_files or LOCK_FILES:
        joined_lines = lock_file.read_text().replace("\\\n", " ")
        text = COMMENT.sub("", joined_lines)
        for name, version, options in REQUIREMENT.findall(text):
            pinned[name] = Pin(name, version, frozenset(HASH.findall(options)))
    return pinned


def find_wheels(
    names: Iterable[str], *, runtime: str, architecture: str, cache: Path = CACHE
) -> dict[str, Path]:
    """Return the wheel of each named distribution and download missing ones.

    Raises:
        ClickException: a wheel cannot be downloaded.
    """
    pinned = pins()
    required = [pinned[name] for name in sorted(names)]
    folder = cache / f"{runtime}-{architecture}"
    folder.mkdir(parents=True, exist_ok=True)

    cached = _files_by_hash(folder)
    missing = [pin for pin in required if pin.hashes.isdisjoint(cached)]
    if missing:
        _download(missing, folder, runtime=runtime, architecture=architecture)
        cached = _files_by_hash(folder)

    return {pin.name: cached[min(pin.hashes & cached.keys())] for pin in required}


def _files_by_hash(folder: Path) -> dict[str, Path]:
    wheels = folder.glob("*.whl")
    return {hashlib.sha256(wheel.read_bytes()).hexdigest(): wheel for wheel in wheels}


def _download(
    missing: list[Pin], folder: Path, *, runtime: str, architecture: str
) -> None:
    machine = MACHINES[architecture]
    platforms = [f"--platform={glibc}_{machine}" for glibc in GLIBC_TAGS]

    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.writelines(f"{pin.requirement}\n" for pin in missing)
        requirements.flush()
        result = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download"),
                *("--quiet", "--disable-pip-version-check", "--no-deps"),
                *("--only-binary=:all:", "--require-hashes"),
                f"--python-version={runtime.removeprefix('python')}",
                *platforms,
                *("--dest", str(folder)),
                *("--requirement", requirements.name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    if result.returncode != 0:
        names = ", ".join(f"{pin.name} {pin.version}" for pin in missing)
        raise ClickException(
            f"The wheels of {names} for {runtime} on {architecture} cannot be "
            f"downloaded:\n{result.stderr}"
        )
