"""A time-line as sentences."""

from collections.abc import Iterator
from datetime import UTC, tzinfo
from functools import partial

from django.template.defaultfilters import pluralize

from insights.kinds import RecordedEvent
from insights.playbacks import LIVE, Playback
from insights.timeline import Denial, Timeline
from reporting.instants import time_of_day

REASONS = {
    "stopped": "stopped",
    "expired": "its lease ended without a stop",
    "evicted": "evicted",
    "replaced": "replaced",
    "taken-over": "taken over",
    "over-limit": "over the limit",
    "suspended": "suspended",
    "forgotten": "forgotten",
    LIVE: "still plays",
}
KINDS = {
    "limit-set": "the limit was set to {limit}",
    "limit-cleared": "the limit is the default again",
    "suspended": "suspended: the limit was set to 0",
    "forgotten": "everything stored about the user was deleted",
    "grace-started": "{id} started by a grace lease: DynamoDB did not answer",
    "grace-renewed": "{id} was renewed by its token alone: DynamoDB did not answer",
    "grace-admitted": "{id} has its slot: DynamoDB answers again",
    "grace-refused": (
        "{id} lost its grace lease: DynamoDB answers again and has no slot for it"
    ),
    "contended": "a request failed: too many concurrent changes for this user",
    "unavailable": "a request failed: DynamoDB did not answer",
    "throttled": "a request failed: more calls than the table's capacity",
}


def narrative(line: Timeline, *, zone: tzinfo = UTC) -> Iterator[str]:
    """Yield all that happened in order, in one or a few lines each."""
    clock = partial(time_of_day, zone=zone)
    entries: list[tuple[int, list[str]]] = []
    for playback in line.playbacks:
        entries += _entries_of(playback, zone)

    for denial in line.denials:
        lines = denial_lines(denial, line, zone=zone)
        entries.append((denial.at, lines))

    for event in line.others:
        at = int(event["at"])
        entries.append((at, [describe(event)]))

    entries.sort(key=lambda entry: entry[0])
    for at, (first, *more) in entries:
        yield f"{clock(at)}  {first}"
        for text in more:
            yield f"{'':8}  {text}"


def denial_lines(
    denial: Denial, line: Timeline, *, zone: tzinfo = UTC, is_dated: bool = False
) -> list[str]:
    """Return the lines that explain a denial.

    They name the limit or rule, the streams that held the slots, and the time from
    which the start was possible. With `is_dated` they begin with the time.
    """
    clock = partial(time_of_day, zone=zone)
    name = _name(denial.id, denial.device_type, denial.device_name)
    summary = f"{name} was denied: {_held(denial)}"
    if is_dated:
        summary = f"At {clock(denial.at)} {summary}"

    return [
        summary,
        *_judge_lines(denial),
        *_holder_lines(denial, line, zone),
        *_possible_lines(denial, zone),
        *_request_lines(denial),
    ]


def situation(line: Timeline, at: int, *, zone: tzinfo = UTC) -> str:
    """Return a sentence that names the streams with a slot at an instant."""
    holders = ", ".join(named(playback) for playback in line.holders(at))
    return f"At {time_of_day(at, zone)} {holders or 'nothing'} played."


def named(playback: Playback) -> str:
    """Return the name of a stream and its type of device."""
    return _name(playback.id, playback.device_type, playback.device_name)


def ending(playback: Playback) -> str:
    """Return how a playback ended, and who ended it."""
    reason = REASONS.get(playback.reason, playback.reason)
    if playback.by is None or playback.by == "player":
        return reason
    return f"{reason} by {playback.by}"


def describe(event: RecordedEvent) -> str:
    """Return a sentence for an event that is neither a playback's nor a denial."""
    kind = str(event["kind"])
    text = kind
    if kind in KINDS:
        limit = event.get("limit", "?")
        text = KINDS[kind].format(limit=limit, id=event.get("id", "?"))

    by = event.get("by")
    return f"{text} by {by}" if by else text


def _entries_of(playback: Playback, zone: tzinfo) -> Iterator[tuple[int, list[str]]]:
    """Yield the start, the revivals and the end of a playback, with their instants."""
    name = named(playback)
    if playback.started_at is not None and not playback.is_grace:
        if playback.ended_at is None:
            until = f"lease until {time_of_day(playback.expires_at, zone)}"
        else:
            until = f"until {time_of_day(playback.ended_at, zone)}"
        yield playback.started_at, [f"{name} started, {until}"]

    for _, revived_at in playback.gaps:
        yield revived_at, [f"{name} was back after its lease had ended"]

    if playback.ended_at is not None:
        yield playback.ended_at, [f"{name} was over: {ending(playback)}"]


def _held(denial: Denial) -> str:
    """Return how many slots were held, of how many."""
    was = pluralize(denial.held, "was,were")
    if denial.limit is None:
        return f"{denial.held} slot{pluralize(denial.held)} {was} held"
    limit = f"{denial.limit} slot{pluralize(denial.limit)}"
    return f"{denial.held} of {limit} {was} held"


def _judge_lines(denial: Denial) -> Iterator[str]:
    """Yield the rule and the plan that refused, if the event names them."""
    judges = []
    if denial.rule:
        judges.append(f"rule: {denial.rule}")
    if denial.plan:
        judges.append(f"plan: {denial.plan}")

    if judges:
        yield ", ".join(judges)


def _request_lines(denial: Denial) -> Iterator[str]:
    """Yield the id of the request, if the event names it."""
    if denial.request:
        yield f"request {denial.request}"


def _holder_lines(denial: Denial, line: Timeline, zone: tzinfo) -> Iterator[str]:
    """Yield a line for each stream that held a slot."""
    clock = partial(time_of_day, zone=zone)
    live = {playback.id: playback for playback in line.holders(denial.at)}
    for holder in denial.holders:
        name = _name(holder["id"], holder.get("deviceType"), holder.get("deviceName"))
        until = clock(holder["expiresAt"])
        playback = live.get(holder["id"])

        since = ""
        if playback and playback.started_at is not None:
            since = f", since {clock(playback.started_at)}"
        yield f"- {name}{since}, lease until {until}"

    unnamed = denial.held - len(denial.holders)
    if unnamed > 0:
        yield f"- and {unnamed} more"


def _possible_lines(denial: Denial, zone: tzinfo) -> Iterator[str]:
    """Yield the time from which the start was possible, if events tell."""
    if denial.limit == 0:
        yield "a later retry would not have helped: the limit was 0"
    elif denial.possible_at is not None and denial.freed is not None:
        at = time_of_day(denial.possible_at, zone)
        freed = named(denial.freed)
        reason = ending(denial.freed)
        yield f"possible from {at} on, when {freed} was over: {reason}"
    elif not denial.rule:
        yield "no slot became free before the end of this time-line"


def _name(id: str, device_type: str | None, device_name: str | None) -> str:
    """Return the name of a device, or else the stream's id, with what else is known."""
    name = device_name or id
    others = dict.fromkeys((id, device_type))
    details = [detail for detail in others if detail and detail != name]
    return f"{name} ({', '.join(details)})" if details else name
