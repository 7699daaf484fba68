"""Writes every generated passage of the documentation: `make reference`.

`--check` compares the committed text with the code. Both need an environment without
settings of the service, except `DEBUG=1`, because the pages show the defaults.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md")]


def generate() -> Mapping[Path, str]:
    """Return the text of each page that has generated passages."""
    from docs import (
        api,
        architecture,
        commands,
        edge,
        errors,
        figures,
        markers,
        settings,
    )

    passages: dict[str, markers.Passage] = {}
    modules = (api, architecture, commands, edge, errors, figures, settings)
    for module in modules:
        passages |= module.passages()

    return {
        page: markers.fill(page.read_text(), passages)
        for page in PAGES
        if markers.names(page.read_text())
    }


def main(arguments: list[str]) -> int:
    """Write the pages. With `--check`, only print those that would change.

    The exit status of `--check` is 1 if a page would change.
    """
    outdated = {
        page: text for page, text in generate().items() if page.read_text() != text
    }

    if arguments == ["--check"]:
        names = [str(page.relative_to(PROJECT)) for page in outdated]
        print(*names)  # noqa: T201
        return 1 if outdated else 0

    for page, text in outdated.items():
        page.write_text(text)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")

    import django

    django.setup()
    sys.exit(main(sys.argv[1:]))
