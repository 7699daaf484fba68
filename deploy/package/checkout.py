"""The git checkout that is packed: its commit, its tracked files and its changes.

The release ships as `release.json`, and `/healthz` reports it.
"""

import subprocess
from dataclasses import dataclass

from click import ClickException

from stages import PROJECT
from streams import __version__

DIRTY = "-dirty"


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the service and the commit that it was built from.

    The commit ends in `-dirty` if tracked files differed from it.
    """

    version: str
    commit: str

    @property
    def is_dirty(self) -> bool:
        """Whether tracked files differed from the commit."""
        return self.commit.endswith(DIRTY)

    @property
    def short_commit(self) -> str:
        """The first digits of the commit, with `-dirty` if files differed from it."""
        return self.commit[:12] + (DIRTY if self.is_dirty else "")


def current_release() -> Release:
    """Return the release that a package built now would contain."""
    commit = git("rev-parse", "HEAD").strip()
    suffix = DIRTY if changed_files() else ""
    return Release(__version__, commit + suffix)


def changed_files() -> list[str]:
    """Return the tracked files that differ from the commit."""
    status = git("status", "--porcelain", "--untracked-files=no")
    return [line[3:] for line in status.splitlines()]


def git(*arguments: str) -> str:
    """Run git in this checkout and return its output.

    Raises:
        ClickException: git is not installed, or this is not a checkout.
    """
    try:
        result = subprocess.run(
            ["git", *arguments],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as exc:
        raise ClickException(
            f"The package contains the files that git tracks. Install git: {exc}"
        ) from exc

    if result.returncode != 0:
        raise ClickException(
            "The package contains the files that git tracks, and git failed: "
            f"{result.stderr.strip()}"
        )
    return result.stdout
