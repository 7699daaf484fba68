"""The planner's mix of requests, for a load at a constant rate, and what is said of its answers. No Locust here."""

import argparse
import math
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
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
"""The planner's kinds of requests, by what a player does."""
PLANNED = {
    "start": 201,
    "zap": 200,
    "denial": 409,
    "heartbeat": 200,
    "stop": 204,
    "list": 200,
}
"""How each is answered when all is well."""
UNPLANNED_AT_MOST = 0.01


def shares(population: Players) -> dict[str, float]:
    """Of all requests, by what a player does. Item sizes do not matter to them."""
    demand, found = (
        Demand(population, ItemSizes(bytes_of=lambda streams: 1, forgetting_share=0)),
        defaultdict[str, float](float),
    )
    for verb in demand.request_kinds:
        found[VERBS[verb.name]] += verb.per_second / demand.requests
    return dict(found)


@dataclass
class Seen:
    """Answers: milliseconds by verb, and refusals by verb, status and type."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)

    def note(
        self, verb: str, milliseconds: float, status: int | None, type: str
    ) -> None:
        """One answer; no `status` where none came."""
        self.latencies[verb].append(milliseconds)
        if status != PLANNED[verb]:
            self.refusals[verb, f"{status or 'no answer'} {type}".strip()] += 1

    @property
    def total(self) -> int:
        """Answers."""
        return sum(len(found) for found in self.latencies.values())

    @property
    def is_as_planned(self) -> bool:
        """Whether nearly all were answered as they have to be."""
        return (
            self.total > 0 and self.refusals.total() <= UNPLANNED_AT_MOST * self.total
        )

    def report(
        self, *, rate: float, seconds: float, planned: Mapping[str, float]
    ) -> str:
        """A table for people."""
        heads = "".join(f"{f'p{percent:g}':>9}" for percent in PERCENTILES)
        lines = [f"{'ms':12}{'requests':>9}{'share':>8}{'planned':>8}{heads}"]
        for verb, share in planned.items():
            found = sorted(self.latencies.get(verb, []))
            row = (
                "".join(f"{percentile(found, percent):9.1f}" for percent in PERCENTILES)
                if found
                else ""
            )
            lines.append(
                f"{verb:12}{len(found):>9}{len(found) / max(1, self.total):>8.1%}{share:>8.1%}{row}"
            )
        lines.append(
            f"\n{self.total / seconds:.1f} answers a second, of {rate:g} that were sent."
        )
        for (verb, what), number in sorted(self.refusals.items()):
            lines.append(f"{number} × {verb}: {what} instead of {PLANNED[verb]}")
        if not self.refusals:
            lines.append("No refusals but the denials that were planned.")
        return "\n".join(lines)


def percentile(ordered: list[float], percent: float) -> float:
    """So many of a hundred are no higher."""
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Of the command line. Ends the program where they are bad, and where another host is not meant."""
    parser = argparse.ArgumentParser(
        prog="make load", description="The planner's mix at a constant rate."
    )
    parser.add_argument("url", type=_url, metavar="URL")
    parser.add_argument("--rate", type=float, default=50, help="requests a second (50)")
    parser.add_argument("--seconds", type=float, default=30, help="for how long (30)")
    parser.add_argument(
        "--yes-this-host",
        action="store_true",
        help="load another machine than this one",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("API_KEY"),
        help="of an operator; or API_KEY",
    )
    named: Any = parser.parse_args(words)
    host = urlsplit(named.url).hostname
    if host not in LOOPBACK and not named.yes_this_host:
        parser.error(
            f"{host} is not this machine. If it is yours to load, say so: --yes-this-host"
        )
    if not 0 < named.rate <= 100_000 or not 0 < named.seconds <= 86_400:
        parser.error(
            "--rate is up to 100,000 requests a second, and --seconds up to a day."
        )
    return parser.parse_args(words)


def _url(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(
            f"{text} is no URL such as http://127.0.0.1:8000"
        )
    return text.rstrip("/")
