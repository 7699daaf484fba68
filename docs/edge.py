"""Writes the bounds of a cheat's edge tokens into `edge.md`: `python -m docs.edge`.

The table stands between `<!-- edge: bounds -->` and `<!-- end -->`.
"""

import math
import re
from pathlib import Path

from streams_project import settings

PAGE = Path(__file__).with_suffix(".md")
MARKER = re.compile(r"<!-- edge: bounds -->\n.*?<!-- end -->", re.DOTALL)

MEASURED = {1: (17, 15), 3: (19, 16), 6: (22, 16)}
"""By limit, the tokens that a patient cheat held, and that 64 threads held."""
HEADINGS = (
    "limit",
    "bound, with the defaults and leases of a minute",
    "the most that a patient cheat held",
    "the most that 64 threads held, on DynamoDB Local",
)


def bound(limit: int) -> int:
    """Return how many playbacks of a user can have valid tokens at one moment."""
    further_starts = settings.EDGE_TOKEN_MS / settings.MINT_INTERVAL_MS
    return math.ceil(limit + settings.MINT_BURST + further_starts)


def filled(page: str) -> str:
    """Return the page with the current table."""
    rows: list[tuple[str, ...]] = [HEADINGS, ("---",) * len(HEADINGS)]
    for limit, (patient, threads) in MEASURED.items():
        rows.append(tuple(map(str, (limit, bound(limit), patient, threads))))

    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return MARKER.sub(f"<!-- edge: bounds -->\n{table}\n<!-- end -->", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
