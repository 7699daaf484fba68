"""The licences of what ships: `python -m deploy.licences` writes docs/licences.md."""

import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from deploy.package import FOR_PUBLISHED_KEYS, PACKAGES

LIST = Path(__file__).parent.parent / "docs" / "licences.md"
HEAD = """\
# Licences of what ships

The package that `zappa deploy` uploads holds files of these, and of nothing else; cryptography and cffi only where
viewers' tokens are signed by published keys. Written by `python -m deploy.licences`; a test holds it to what is
installed.

drf-spectacular-sidecar brings Swagger UI (Apache-2.0, its licence beside it).

"""


def shipped() -> set[str]:
    """The distributions that the package holds files of."""
    by_name = packages_distributions()
    return {by_name[name.removesuffix(".py")][0] for name in PACKAGES + FOR_PUBLISHED_KEYS}


def written() -> str:
    """The list, as it should stand in docs/licences.md."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=markdown", "--packages"]
    table = subprocess.run([*command, *sorted(shipped())], check=True, capture_output=True, text=True)
    return HEAD + table.stdout


if __name__ == "__main__":
    LIST.write_text(written())
