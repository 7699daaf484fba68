"""The code of a release, from git."""

import io
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers import PROJECT

FILE = Path(__file__).with_name("releases.toml")


@dataclass(frozen=True)
class Release:
    """A release: its name and its commit."""

    name: str
    commit: str

    @property
    def short_commit(self) -> str:
        """The first digits of the commit, which name files."""
        return self.commit[:7]


def releases() -> list[Release]:
    """Return the releases, the latest last."""
    tables = tomllib.loads(FILE.read_text())["releases"]
    return [Release(table["name"], table["commit"]) for table in tables]


def previous() -> Release:
    """Return the release before this code."""
    return releases()[-1]


@contextmanager
def checked_out(release: Release) -> Iterator[Path]:
    """Yield a folder that contains the files of a release.

    A clone without the commit, because it is shallow, fetches it.

    Raises:
        RuntimeError: the commit is neither in the clone nor at its origin.
    """
    if not has_commit(release.commit):
        fetch(release)
    archive = git("archive", "--format=tar", release.commit)
    with TemporaryDirectory(prefix=f"release-{release.short_commit}-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        yield Path(folder)


def has_commit(commit: str) -> bool:
    """Return whether the clone contains the files of a commit."""
    command = ["git", "cat-file", "-e", f"{commit}^{{tree}}"]
    finished = subprocess.run(command, cwd=PROJECT, check=False, capture_output=True)
    return finished.returncode == 0


def fetch(release: Release) -> None:
    """Fetch the commit of a release into a shallow clone."""
    try:
        git("fetch", "--quiet", "--depth=1", "origin", release.commit)
    except subprocess.CalledProcessError as exc:
        raise RuntimeError(
            f"Release {release.name} is commit {release.commit}, which neither this "
            "clone nor its origin has. Clone the whole repository: "
            f"git fetch --unshallow. {exc.stderr.decode()}"
        ) from exc


def git(*arguments: str) -> bytes:
    """Run git in the project and return its output."""
    finished = subprocess.run(
        ["git", *arguments], cwd=PROJECT, check=True, capture_output=True
    )
    return finished.stdout
