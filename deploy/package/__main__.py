"""`python -m deploy.package [ARCHIVE]`: write the manifest, or print sizes."""

import sys
from pathlib import Path

from deploy.package.archive import size_table
from deploy.package.contents import MANIFEST, manifest


def main(arguments: list[str]) -> None:
    """Run the command."""
    if arguments:
        print(size_table(Path(arguments[0])))  # noqa: T201
    else:
        MANIFEST.write_text(manifest())


if __name__ == "__main__":
    main(sys.argv[1:])
