"""The bound on a cheat's edge tokens, for the default settings."""

import math

from docs import markers
from streams.conf import settings

MEASURED_TOKENS = {1: (17, 15), 3: (19, 16), 6: (22, 16)}
"""By limit, the tokens that a patient cheat held, and that 64 threads held."""
HEADINGS = (
    "limit",
    "bound, with the defaults and leases of a minute",
    "the most that a patient cheat held",
    "the most that 64 threads held, on DynamoDB Local",
)


def passages() -> markers.Passages:
    """Return the table of bounds."""
    return {"edge-bounds": _table}


def bound(limit: int) -> int:
    """Return how many playbacks of a user can have valid tokens at one moment."""
    further_starts = settings.EDGE_TOKEN_MS / settings.MINT_INTERVAL_MS
    return math.ceil(limit + settings.MINT_BURST + further_starts)


def _table() -> str:
    rows = []
    for limit, (patient, threads) in MEASURED_TOKENS.items():
        rows.append([str(limit), str(bound(limit)), str(patient), str(threads)])
    return markers.table(HEADINGS, rows)
