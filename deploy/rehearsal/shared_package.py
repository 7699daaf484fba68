"""One package for all deployments of a rehearsal, since each build takes seconds.

The first one is built and started as in any deployment. Later ones differ from it in
the stage's settings only.
"""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from deploy.package import build, check_that_it_starts
from deploy.releases import hooks

SETTINGS = "zappa_settings.py"


class SharedPackage:
    """Replaces the build and the local start of the package, except the first ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sentence = ""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let Zappa's callbacks use the package in this process."""
        with (
            patch.object(hooks, "build", self.build),
            patch.object(hooks, "check_that_it_starts", self.start),
        ):
            yield

    def build(self, archive: Path, *, zappa_settings: bytes, **options: Any) -> None:
        """Write the archive with these settings.

        It can verify published keys in any case, so that one build suffices.
        """
        base = self._folder / "package.zip"
        if not base.exists():
            options["with_published_keys"] = True
            build(archive, zappa_settings=zappa_settings, **options)
            _copy_without_settings(archive, base)
            return

        shutil.copy(base, archive)
        with zipfile.ZipFile(archive, "a") as entries:
            entries.writestr(SETTINGS, zappa_settings)

    def start(self, archive: Path, *arguments: Any) -> str:
        """Start the first package, and return the sentence of that check."""
        self._sentence = self._sentence or check_that_it_starts(archive, *arguments)
        return self._sentence


def _copy_without_settings(archive: Path, base: Path) -> None:
    """Copy an archive without its settings and their bytecode."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(base, "w") as target:
        for entry in source.infolist():
            if not Path(entry.filename).name.startswith("zappa_settings."):
                target.writestr(entry, source.read(entry))
