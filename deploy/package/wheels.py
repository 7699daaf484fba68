"""The wheels that ship: those that requirements*.txt pin by hash, for the Python and the architecture of a stage,
whatever machine packs and whatever is installed there.

pip downloads each once into `.cache/wheels` and refuses a file with another hash; what is in the cache is hashed again.
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
LOCKS = (PROJECT / "requirements.txt", PROJECT / "requirements-jwks.txt")
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's names of architectures, and those of wheels."""
GLIBC = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
"""What Amazon Linux 2023 runs: Lambda's Python 3.12 and later."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A distribution at one version, with the SHA-256 of its files on PyPI."""

    name: str
    version: str
    hashes: frozenset[str]


def pins(*locks: Path) -> dict[str, Pin]:
    """What the lock files pin, by name."""
    found = {}
    for lock in locks or LOCKS:
        text = re.sub(
            r"^\s*(#|-r ).*\n",
            "",
            lock.read_text().replace("\\\n", " "),
            flags=re.MULTILINE,
        )
        for name, version, rest in re.findall(
            r"^([a-z0-9.-]+)==(\S+)(.*)$", text, flags=re.MULTILINE
        ):
            found[name] = Pin(
                name,
                version,
                frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)),
            )
    return found


def wheels(
    names: Iterable[str], *, runtime: str, architecture: str, cache: Path = CACHE
) -> dict[str, Path]:
    """The wheel of each distribution, by name. Raises `ClickException` where there is none."""
    pinned, folder = pins(), cache / f"{runtime}-{architecture}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [pinned[name] for name in sorted(names)]
    there = _by_hash(folder)
    if missing := [pin for pin in wanted if not pin.hashes & there.keys()]:
        _download(missing, folder, runtime=runtime, architecture=architecture)
        there = _by_hash(folder)
    return {pin.name: there[min(pin.hashes & there.keys())] for pin in wanted}


def _by_hash(folder: Path) -> dict[str, Path]:
    return {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in folder.glob("*.whl")
    }


def _download(
    missing: list[Pin], folder: Path, *, runtime: str, architecture: str
) -> None:
    platforms = [f"--platform={glibc}_{MACHINES[architecture]}" for glibc in GLIBC]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        for pin in missing:
            hashes = " ".join(
                f"--hash=sha256:{digest}" for digest in sorted(pin.hashes)
            )
            requirements.write(f"{pin.name}=={pin.version} {hashes}\n")
        requirements.flush()
        done = subprocess.run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                ),
                *(
                    "--only-binary=:all:",
                    "--require-hashes",
                    f"--python-version={runtime.removeprefix('python')}",
                ),
                *(
                    *platforms,
                    "--dest",
                    str(folder),
                    "--requirement",
                    requirements.name,
                ),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        names = ", ".join(f"{pin.name} {pin.version}" for pin in missing)
        raise ClickException(
            f"No wheels of {names} for {runtime} on {architecture} can be had:\n{done.stderr}"
        )
