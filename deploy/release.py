"""Which version of the service this is: it ships as `release.json`, and `/healthz` names it."""

import subprocess
from typing import NamedTuple

from deploy.wheels import PROJECT
from streams import __version__


class Release(NamedTuple):
    """A version, and the commit that it was packed from (`…-dirty` where files differed from that)."""

    version: str
    commit: str


def release() -> Release:
    """What would be packed now."""
    commit = _git("rev-parse", "HEAD") or "unknown"
    return Release(__version__, f"{commit}-dirty" if changed() else commit)


def changed() -> list[str]:
    """The tracked files that differ from the commit."""
    return [line[3:] for line in _git("status", "--porcelain", "--untracked-files=no").splitlines()]


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.rstrip()
