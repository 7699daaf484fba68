"""A time-line in words, and as a drawing of text."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, tzinfo

from insights.timeline import LIVE, Bar, EventOfUser, Refusal, Timeline

WIDTH = 64
"""Of the drawing, in characters; the names come before it."""
NAME_AT_MOST = 24
REASONS = {
    "stopped": "stopped",
    "expired": "its lease ended: nobody stopped it",
    "evicted": "evicted",
    "replaced": "replaced",
    "taken-over": "taken over",
    "over-limit": "over the limit",
    "suspended": "suspended",
    "forgotten": "forgotten",
    LIVE: "plays on",
}
KINDS = {
    "limit-set": "the limit was set to {limit}",
    "limit-cleared": "the limit went back to the default",
    "suspended": "suspended: the limit was set to 0",
    "forgotten": "everything kept of the user was dropped",
    "grace-started": "{id} started by a grace lease: DynamoDB did not answer",
    "grace-renewed": "{id} was renewed by its token alone: DynamoDB did not answer",
    "grace-admitted": "{id} has its slot: DynamoDB answers again",
    "grace-refused": "{id} lost its grace lease: DynamoDB answers again, and has no slot for it",
    "contended": "a request was given up: others wrote the same user's item all the while",
    "unavailable": "a request was given up: DynamoDB did not answer",
    "throttled": "a request was given up: more calls than the table takes",
}


def clock(zone: tzinfo = UTC) -> Callable[[int], str]:
    """How an instant (ms) reads: `20:03:11`."""
    return lambda at: datetime.fromtimestamp(at / 1000, zone).strftime("%H:%M:%S")


def told(line: Timeline, *, zone: tzinfo = UTC) -> Iterator[str]:
    """Everything that happened, a line each or a few, in order."""
    said = clock(zone)
    happened: list[tuple[int, list[str]]] = []
    for bar in line.bars:
        if bar.started_at is not None and not bar.is_grace:
            until = (
                f"lease until {said(bar.expires_at)}"
                if bar.ended_at is None
                else f"until {said(bar.ended_at)}"
            )
            happened.append((bar.started_at, [f"{named(bar)} started, {until}"]))
        happened += [
            (at, [f"{named(bar)} was back after its lease had ended"])
            for _, at in bar.gaps
        ]
        if bar.ended_at is not None:
            happened.append((bar.ended_at, [f"{named(bar)} was over: {why(bar)}"]))
    happened += [
        (refusal.at, refused(refusal, line, zone=zone)) for refusal in line.refusals
    ]
    happened += [(int(event["at"]), [other(event)]) for event in line.others]
    for at, lines in sorted(happened, key=lambda entry: entry[0]):
        first, *more = lines
        yield f"{said(at)}  {first}"
        yield from (f"{'':8}  {text}" for text in more)


def refused(
    refusal: Refusal, line: Timeline, *, zone: tzinfo = UTC, is_dated: bool = False
) -> list[str]:
    """A denial: when, if that is not said elsewhere, by what, who held the slots, and when it would have been
    possible."""
    said = clock(zone)
    limit = "" if refusal.limit is None else f" of {refusal.limit}"
    what = f"{_name(refusal.id, refusal.device_type)} was denied: {refusal.held}{limit} slots were held"
    lines = [f"At {said(refusal.at)} {what}" if is_dated else what]
    if refusal.rule or refusal.plan:
        by = [f"rule {refusal.rule}"] if refusal.rule else []
        lines.append(
            "by "
            + ", ".join([*by, *([f"plan {refusal.plan}"] if refusal.plan else [])])
        )
    live = {bar.id: bar for bar in line.holders(refusal.at)}
    for holder in refusal.holders:
        bar = live.get(holder["id"])
        since = (
            f", since {said(bar.started_at)}"
            if bar and bar.started_at is not None
            else ""
        )
        name = _name(holder["id"], holder.get("deviceType"))
        lines.append(f"- {name}{since}, lease until {said(holder['expiresAt'])}")
    if refusal.held > len(refusal.holders):
        lines.append(f"- and {refusal.held - len(refusal.holders)} more")
    if refusal.limit == 0:
        lines.append("no wait would have helped: the limit was 0")
    elif refusal.possible_at is not None and refusal.freed is not None:
        when = f"possible from {said(refusal.possible_at)} on"
        lines.append(
            f"{when}, when {named(refusal.freed)} was over: {why(refusal.freed)}"
        )
    elif not refusal.rule:
        lines.append("no slot was free again by the end of this time-line")
    if refusal.request:
        lines.append(f"request {refusal.request}")
    return lines


def situation(line: Timeline, at: int, *, zone: tzinfo = UTC) -> str:
    """Who held a slot at this instant."""
    holders = ", ".join(named(bar) for bar in line.holders(at))
    return f"At {clock(zone)(at)} {holders or 'nothing'} played."


def drawn(line: Timeline, *, zone: tzinfo = UTC, width: int = WIDTH) -> Iterator[str]:
    """A row for each stream's id: its playbacks as bars, its denials as crosses."""
    ids = list(
        dict.fromkeys(
            [*(bar.id for bar in line.bars), *(refusal.id for refusal in line.refusals)]
        )
    )
    if not ids:
        return
    margin = min(NAME_AT_MOST, max(map(len, ids)))
    scale = Scale(line.since, line.until, width)
    yield " " * (margin + 2) + scale.hours(zone)
    for id in ids:
        row = [" "] * width
        for bar in line.bars:
            if bar.id == id:
                _draw(row, bar, scale)
        for refusal in line.refusals:
            if refusal.id == id:
                row[scale.column(refusal.at)] = "✗"
        yield f"{_cut(id):{margin}}  {''.join(row)}".rstrip()


class Scale:
    """Instants as columns."""

    def __init__(self, since: int, until: int, width: int) -> None:
        self.since, self.until, self.width = since, until, width

    def column(self, at: int) -> int:
        """From 0 to the width less one."""
        place = (at - self.since) * self.width // max(1, self.until - self.since)
        return min(self.width - 1, max(0, place))

    def hours(self, zone: tzinfo) -> str:
        """What time it is along the way, at four places."""
        said, step = clock(zone), self.width // 4
        marks = [
            said(self.since + (self.until - self.since) * place // 4)
            for place in range(4)
        ]
        return "".join(f"{mark:{step}}" for mark in marks).rstrip()


def named(bar: Bar) -> str:
    """A stream, and on what kind of device."""
    return _name(bar.id, bar.device_type)


def why(bar: Bar) -> str:
    """How a playback ended, and through whom."""
    by = "" if bar.by is None or bar.by == "player" else f" by {bar.by}"
    return REASONS.get(bar.reason, bar.reason) + by


def other(event: EventOfUser) -> str:
    """An event that is neither a playback's nor a denial."""
    kind = str(event["kind"])
    what = KINDS.get(kind, kind).format(
        limit=event.get("limit", "?"), id=event.get("id", "?")
    )
    return what + (f" by {event['by']}" if event.get("by") else "")


def _name(id: str, device_type: str | None) -> str:
    return f"{id} ({device_type})" if device_type and device_type != id else id


def _draw(row: list[str], bar: Bar, scale: Scale) -> None:
    first = scale.column(scale.since if bar.started_at is None else bar.started_at)
    last = scale.column(scale.until if bar.ended_at is None else bar.ended_at)
    row[first : last + 1] = "─" * (last - first + 1)
    row[first] = "╌" if bar.started_at is None else "├"
    row[last] = "▶" if bar.ended_at is None else "┊" if bar.reason == "expired" else "┤"
    for _, at in bar.gaps:
        row[scale.column(at)] = "♥"


def _cut(name: str) -> str:
    return name if len(name) <= NAME_AT_MOST else name[: NAME_AT_MOST - 1] + "…"
