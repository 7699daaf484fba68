"""Configuration of the documentation site: `make docs`.

The source folder is the root of the repository, so that the README, the security page
and the changelog are pages of the site, and a relative link leads to the same page in
both. The Markdown files contain no directives: the tree of pages is declared here.
"""

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from streams import __version__

HOME = "README"
TREE = {
    "Start here": ["docs/quick-start", "docs/concepts", "docs/faq"],
    "Integrate": ["docs/integrating", "docs/hooks", "docs/plans", "docs/edge"],
    "Operate": [
        "docs/deploy",
        "docs/container",
        "docs/operating",
        "docs/runbook",
        "docs/upgrading",
        "docs/insights",
        "docs/events",
        "docs/scaling",
        "SECURITY",
    ],
    "Reference": [
        "docs/api",
        "docs/errors",
        "docs/settings",
        "docs/commands",
        "CHANGELOG",
    ],
    "Design": [
        "docs/architecture",
        "docs/decisions",
        "docs/reliability",
        "docs/performance",
        "docs/dependencies",
        "docs/licences",
        "CONTRIBUTING",
    ],
}
"""The pages of the site, in the order of the left-hand tree."""

project = "Concurrent-stream limits"
copyright = "the authors of stream-limits"
version = release = __version__

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
source_suffix = {".md": "markdown"}
root_doc = HOME
include_patterns = [
    f"{HOME}.md",
    *(f"{page}.md" for pages in TREE.values() for page in pages),
]
exclude_patterns = [".*", "build"]
templates_path = ["templates"]

myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

html_theme = "furo"
html_title = f"{project} {release}"
html_additional_pages = {"index": "home.html"}
html_show_copyright = False
html_show_sphinx = False


def add_tree(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the tree of pages to the home page."""
    if page != HOME:
        return

    for caption, pages in TREE.items():
        names = "\n".join(f"/{name}" for name in pages)
        source[0] += (
            f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{names}\n```\n"
        )


def setup(app: Sphinx) -> None:
    """Connect the tree. Sphinx calls this function."""
    app.connect("source-read", add_tree)
