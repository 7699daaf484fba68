"""Which version of the service this is: it ships as `release.json`, and `/healthz` names it."""

import subprocess
from typing import NamedTuple

from click import ClickException

from stages import PROJECT
from streams import __version__


class Release(NamedTuple):
    """A version, and the commit that it was packed from (`…-dirty` where files differed from that)."""

    version: str
    commit: str


def release() -> Release:
    """What would be packed now."""
    commit = git("rev-parse", "HEAD").strip()
    return Release(__version__, f"{commit}-dirty" if changed() else commit)


def changed() -> list[str]:
    """The tracked files that differ from the commit."""
    return [
        line[3:]
        for line in git("status", "--porcelain", "--untracked-files=no").splitlines()
    ]


def git(*words: str) -> str:
    """What git says of this checkout. Raises `ClickException` where it is none."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False
        )
    except OSError as exc:
        raise ClickException(
            f"What ships is what git tracks, and git is not installed: {exc}"
        ) from exc
    if done.returncode:
        raise ClickException(
            f"What ships is what git tracks, and git does not say: {done.stderr.strip()}"
        )
    return done.stdout
