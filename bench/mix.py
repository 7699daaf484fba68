"""The planner's mix of requests for a load at a constant rate, and a report of answers.

This module does not import Locust.
"""

import argparse
import math
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from capacity.demand import Demand, ItemSizes
from capacity.players import Players

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PERCENTILES = (50, 95, 99, 99.9)
VERBS = {
    "start": "start",
    "first start of a user": "start",
    "start over ghosts": "start",
    "start in its own slot": "zap",
    "denial": "denial",
    "heartbeat": "heartbeat",
    "heartbeat while paused": "heartbeat",
    "stop": "stop",
    "stop that drops old endings": "stop",
    "list": "list",
}
"""Maps the planner's kinds of requests to a player's actions."""
PLANNED = {
    "start": 201,
    "zap": 200,
    "denial": 409,
    "heartbeat": 200,
    "stop": 204,
    "list": 200,
}
"""The expected status of each action."""
MAX_UNPLANNED_SHARE = 0.01
RECENT_ANSWERS = 1000
"""Answers of a verb of which the progress shows percentiles."""
MAX_RATE = 100_000
MAX_SECONDS = 86_400


def shares(population: Players) -> dict[str, float]:
    """Return the share of each action in all requests."""
    any_size = ItemSizes(bytes_of=lambda streams: 1, forgetting_share=0)
    demand = Demand(population, any_size)

    by_action: defaultdict[str, float] = defaultdict(float)
    for kind in demand.request_kinds:
        by_action[VERBS[kind.name]] += kind.per_second / demand.requests
    return dict(by_action)


@dataclass
class Answers:
    """The answers of a run: latencies by verb, and refusals by verb and kind."""

    latencies_ms: dict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(self, verb: str, latency_ms: float, status: int | None, type: str) -> None:
        """Record one answer. A `status` of None means that no answer arrived."""
        self.latencies_ms[verb].append(latency_ms)
        if status != PLANNED[verb]:
            kind = f"{status or 'no answer'} {type}".strip()
            self.refusals[verb, kind] += 1

    @property
    def total(self) -> int:
        """The number of answers."""
        return sum(len(latencies) for latencies in self.latencies_ms.values())

    @property
    def are_as_planned(self) -> bool:
        """Whether nearly all answers have the planned status."""
        max_unplanned = MAX_UNPLANNED_SHARE * self.total
        return self.total > 0 and self.refusals.total() <= max_unplanned

    def so_far(self, seconds: float) -> str:
        """Return rate, refusals and percentiles of the answers until now."""
        latencies = sorted(
            latency
            for of_verb in self.latencies_ms.values()
            for latency in of_verb[-RECENT_ANSWERS:]
        )
        if not latencies:
            return "no answer yet"

        median, slow = (percentile(latencies, percent) for percent in (50, 95))
        rate = self.total / max(seconds, 0.001)
        refusals = self.refusals.total()
        return (
            f"{rate:.0f}/s, {refusals} refused, p50 {median:.0f} ms, p95 {slow:.0f} ms"
        )

    def report(
        self, *, rate: float, seconds: float, planned: Mapping[str, float]
    ) -> str:
        """Return a table of all verbs and a list of refusals."""
        lines = [_heading()]
        for verb, planned_share in planned.items():
            lines.append(self._row(verb, planned_share))

        answered_rate = self.total / seconds
        lines.append(f"\n{answered_rate:.1f} answers per second, of {rate:g} sent.")

        for (verb, kind), number in sorted(self.refusals.items()):
            lines.append(f"{number} × {verb}: {kind} instead of {PLANNED[verb]}")
        if not self.refusals:
            lines.append("No refusals except the planned denials.")
        return "\n".join(lines)

    def _row(self, verb: str, planned_share: float) -> str:
        latencies = sorted(self.latencies_ms.get(verb, []))
        share = len(latencies) / max(1, self.total)
        row = f"{verb:12}{len(latencies):>9}{share:>8.1%}{planned_share:>8.1%}"
        if latencies:
            row += "".join(
                f"{percentile(latencies, percent):9.1f}" for percent in PERCENTILES
            )
        return row


def _heading() -> str:
    percents = "".join(f"{f'p{percent:g}':>9}" for percent in PERCENTILES)
    return f"{'ms':12}{'requests':>9}{'share':>8}{'planned':>8}{percents}"


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that a share of the ordered values does not exceed."""
    rank = math.ceil(len(ordered) * percent / 100)
    return ordered[min(len(ordered), rank) - 1]


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line.

    Ends the program if an argument is invalid, or if the URL names another host without
    `--yes-this-host`.
    """
    parser = _parser()
    options: Any = parser.parse_args(words)

    host = urlsplit(options.url).hostname
    if host not in LOOPBACK and not options.yes_this_host:
        parser.error(
            f"{host} is not this machine. Add --yes-this-host if you may load it."
        )

    is_valid_rate = 0 < options.rate <= MAX_RATE
    is_valid_duration = 0 < options.seconds <= MAX_SECONDS
    if not is_valid_rate or not is_valid_duration:
        parser.error(
            "--rate must be above 0 and at most 100,000 requests per second, and "
            "--seconds above 0 and at most a day."
        )
    return parser.parse_args(words)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make load",
        description="Send the planner's mix at a constant rate.",
    )
    parser.add_argument("url", type=_url, metavar="URL")
    parser.add_argument(
        "--rate", type=float, default=50, help="requests per second (50)"
    )
    parser.add_argument(
        "--seconds", type=float, default=30, help="duration of the load (30)"
    )
    parser.add_argument(
        "--yes-this-host",
        action="store_true",
        help="allow a machine other than this one",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("API_KEY"),
        help="key of an operator (default: API_KEY)",
    )
    return parser


def _url(text: str) -> str:
    """Return a URL without its final slash."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(
            f"{text} is not a URL. Write one such as http://127.0.0.1:8000"
        )
    return text.rstrip("/")
