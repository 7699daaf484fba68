"""Checks whether the answers that the callers of one user received are possible.

Some calls are slow, some answers are lost, leases expire without a call, and the
clocks of the servers differ.

Porcupine (Go) and Knossos (Clojure) search for an order of the operations that a
sequential model allows. They do not fit: a lease expires without an operation, by
a clock that is not known exactly, and each call without an answer doubles the
search. This checker compares each answer with the facts that hold in every order:
intervals instead of permutations.

      called       answered                        expires by the earliest clock
    ────┼─────────────┼───────────────────────────────────┼──────────┼────▶ time
        └─ can live ──┴──────── lives for certain ────────┘ can live ┘ by the latest
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

type TomlTable = Mapping[str, Any]
"""A plan, or a rule of a plan, as in a file of plans."""

UNKNOWN = (0, 503)
"""Statuses of an unknown outcome: no answer, or 503."""
DOCUMENTED = {
    "start": {200, 201, 409, 503},
    "renew": {200, 400, 404, 410, 503},
    "stop": {204, 404, 410, 400, 503},
    "end": {204, 404, 503},
    "end all": {200, 503},
    "limit": {200, 204, 503},
    "list": {200, 503},
}
FOREVER = float("inf")
LEASES = ("relaxed_lease_seconds", "paused_seconds")
"""Settings of plans that grant longer leases."""
REPORTED = (
    "epoch",
    "expires_at",
    "paused_at",
    "names",
    "replaces",
    "limit",
    "plan",
    "rule",
    "attributes",
    "reason",
    "by",
)


@dataclass(eq=False)
class Exchanged:
    """A call and its answer.

    Times are ms of the caller's clock, except `expires_at` and `paused_at`, which
    are the server's.

    `epoch` is that of a started stream, or of the token of a renewal or stop.
    `names` are the streams in a denial or a list, or the one that an end keeps.
    `limit` and `plan` are those that an operator set, or that a denial reports;
    `rule` is the rule of a denial. `attributes` are the properties of a started
    stream that rules examine.
    """

    verb: str
    called: float
    id: str = ""
    answered: float = FOREVER
    status: int = 0
    epoch: int = 0
    expires_at: float = 0
    names: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    limit: int | None = None
    plan: str | None = None
    rule: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    evicts: bool = False
    pauses: bool = False
    paused_at: float = 0
    reason: str = ""
    by: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the answer says that the call took effect."""
        return self.status in (200, 201, 204)

    @property
    def may_be_done(self) -> bool:
        return self.is_done or self.status in UNKNOWN

    def __str__(self) -> str:
        times = f"{self.called:.0f} to {self.answered:.0f}"
        values = {name: getattr(self, name) for name in REPORTED}
        reported = {name: value for name, value in values.items() if value}
        status = self.status or "no answer"
        return f"{times}: {self.verb} {self.id} -> {status} {reported}"


UNSET = Exchanged("limit", -FOREVER, answered=-FOREVER, status=204)
"""The limit of a user before an operator sets one."""


@dataclass
class History:
    """The calls of one user, in the order in which they were made.

    `plans` are all plans, including `default`. A lease lasts `lease_ms` under each
    of them, unless it is relaxed or paused. `skew_ms` is the greatest difference
    of the clocks, `late_ms` the longest time that the network keeps a request.
    """

    plans: Mapping[str, TomlTable]
    lease_ms: int
    skew_ms: int = 0
    late_ms: int = 0
    slowest_ms: float = 8500
    operations: list[Exchanged] = field(default_factory=list)

    def wrong(self, it: Exchanged) -> str | None:
        """Return what is impossible in the answer to a call, or None.

        Every call that was made before this answer is known.
        """
        return next(self._claims(it), None)

    def shortest(self, it: Exchanged) -> list[Exchanged]:
        """Return as few calls as still show the impossible answer."""
        kept = list(self.operations)
        kind = _kind_of(self.wrong(it))
        for candidate in reversed(self.operations):
            fewer = [other for other in kept if other is not candidate]
            smaller = replace(self, operations=fewer)
            if candidate is not it and _kind_of(smaller.wrong(it)) == kind:
                kept = fewer

        return kept

    def forget(self, before: float) -> None:
        """Drop the calls that cannot affect a later call.

        The limits that can apply, and the starts of streams that can continue,
        are kept.
        """
        held = self._in_force(before, FOREVER)
        kept = {one for one in self.operations if one.answered > before or one in held}
        renewed = {(one.id, one.epoch) for one in kept if one.verb == "renew"}
        kept |= {one for one in self._starts() if (one.id, one.epoch) in renewed}
        self.operations = [one for one in self.operations if one in kept]

    # --- impossible answers ----------------------------------------------------

    def _claims(self, it: Exchanged) -> Iterator[str]:
        if it.status and it.status not in DOCUMENTED[it.verb]:
            yield f"no documented answer: {it.status}"
        if it.answered - it.called > self.slowest_ms:
            yield f"too slow: {it.answered - it.called:.0f} ms"
        if it.verb == "start" and it.is_done:
            yield from self._of_an_admission(it)
        elif it.verb == "start" and it.status == 409:
            yield from self._of_a_denial(it)
        elif it.verb == "renew":
            yield from self._of_a_renewal(it)
        elif (
            it.verb == "stop"
            and it.status in (404, 410, 400)
            and self._is_certain(it.id, it.epoch, it)
        ):
            yield f"a holder could not stop: {it.status} {it.reason}"
        elif it.verb == "list" and it.status == 200:
            yield from self._of_a_list(it)

    def _of_an_admission(self, it: Exchanged) -> Iterator[str]:
        earlier = [
            one
            for one in self._starts(it.id)
            if one.is_done and one.answered < it.called
        ]
        for one in earlier:
            if one.epoch >= it.epoch + self.skew_ms * 1000:
                yield f"an epoch decreased: {one.epoch}, {it.epoch}"
            if one.epoch >= it.epoch and self._is_certain(it.id, one.epoch, it):
                yield f"an epoch decreased: {one.epoch} of a live stream, {it.epoch}"

        before = list(self._living(it.id, it))
        if not self._may_evict(it):
            yield from self._of_room(it, it, before=before if it.status == 200 else ())
        if it.status == 201 and any(
            self._is_certain(it.id, one.epoch, it) for one in earlier
        ):
            yield "201, but its slot was live, so 200 is true"

        if it.status == 200 and not before:
            yield "200, but its slot was free, so 201 is true"

    def _of_room(
        self, it: Exchanged, stream: Exchanged, *, before: Collection[Exchanged]
    ) -> Iterator[str]:
        """Check that this call could give the stream its slot.

        It could not if, under each limit that can apply, a rule or the limit is
        full and did not count one of `before`, the streams that were in the slot,
        in the same way as it counts the stream.
        """
        others = [
            one for one in self._certain(it) if one.id not in (it.id, *it.replaces)
        ]

        def is_full(rule: TomlTable) -> bool:
            own = _counted_as(rule, stream)
            is_open = own is None or own in [_counted_as(rule, one) for one in before]
            return not is_open and len(_places(rule, stream, others)) >= rule["limit"]

        full = [
            list(filter(is_full, self._rules(one)))
            for one in self._in_force(it.called, it.answered)
        ]
        if all(full):
            holders = [one.id for one in others]
            yield f"over the {_text_of(full[0][0])}: {holders} and {it.id}"

    def _of_a_denial(self, it: Exchanged) -> Iterator[str]:
        reported = (it.plan, it.limit)
        possible = {
            (one.plan or "default", self._limit(one)): one
            for one in self._in_force(it.called, it.answered)
        }
        rules = self._rules(possible[reported]) if reported in possible else []
        rule = next((rule for rule in rules if rule["name"] == it.rule), None)
        if rule is None:
            kind = "a rule" if rules else "a limit"
            yield (
                f"a denial by {kind} that did not apply: {it.rule} of {reported}, "
                f"of {sorted(possible)}"
            )
            return

        living = [
            one
            for id in it.names
            for one in self._living(id, it)
            if _places(rule, it, [one])
        ]
        for id in it.names:
            if id not in [one.id for one in living]:
                yield (
                    f"a denial without a reason: {id} is not live or does not count "
                    f"for the {_text_of(rule)}"
                )

        if len(_places(rule, it, living)) < rule["limit"]:
            yield f"a denial without a reason: {it.names} for the {_text_of(rule)}"
        if any(
            one.id == it.id and _counted_as(rule, one) == _counted_as(rule, it)
            for one in self._certain(it)
        ):
            yield f"a denial of a holder: {it.id} under the {_text_of(rule)}"

    def _of_a_renewal(self, it: Exchanged) -> Iterator[str]:
        if it.status in (400, 404, 410) and self._is_certain(it.id, it.epoch, it):
            yield f"a holder could not renew: {it.status} {it.reason}"
        if it.status == 200:
            for one in self._enders(it.id, it.epoch):
                is_certain = one.is_done and one.answered < it.called
                if is_certain and one.verb == "stop" and one.epoch == it.epoch:
                    yield "a stream that was stopped renewed"
                if (
                    is_certain
                    and one.verb in ("end", "end all")
                    and self._answered_at(it) + self.skew_ms < one.called
                ):
                    yield "a stream that was ended renewed"
                if (
                    is_certain
                    and one.verb == "start"
                    and one.id == it.id
                    and one.epoch > it.epoch
                ):
                    yield "a stream that was taken over renewed"
                if (
                    is_certain
                    and one.verb == "start"
                    and it.id in one.replaces
                    and self._answered_at(it) < one.called
                ):
                    yield "a stream that was replaced renewed"
            yield from self._of_a_new_end(it)

        if it.status == 410:
            yield from self._of_an_ending(it)

    def _of_a_new_end(self, it: Exchanged) -> Iterator[str]:
        at_least, at_most = (
            self._end(it.id, it.epoch, it, is_certain=is_certain)
            for is_certain in (True, False)
        )
        if it.expires_at < at_least:
            yield f"an expiry decreased: {at_least:.0f}, {it.expires_at:.0f}"
        for one in self._of(it.id, it.epoch):
            is_known = (
                it.pauses and one.pauses and one.is_done and one.answered < it.called
            )
            if (
                is_known
                and one.paused_at != it.paused_at
                and not self._may_continue(one, it)
            ):
                yield f"a pause began again: {one.paused_at:.0f}, {it.paused_at:.0f}"

        ends: list[float] = []
        for plan in map(self._plan, self._in_force(it.called, it.answered)):
            if it.pauses and "paused_seconds" in plan:
                ends += [it.paused_at + 1000 * plan["paused_seconds"]]
            else:
                longest_ms = self._longest_ms("relaxed_lease_seconds") + self.skew_ms
                ends += [
                    it.called - self.skew_ms + self.lease_ms,
                    it.answered + longest_ms,
                ]

        if not min(ends) <= it.expires_at <= max(*ends, at_most):
            yield (
                f"an impossible expiry: {it.expires_at:.0f}, "
                f"not {min(ends):.0f} to {max(*ends, at_most):.0f}"
            )

        if at_most + self.skew_ms < it.called:  # it was revived
            for one in self._starts(it.id):
                if one.epoch == it.epoch:
                    yield from self._of_room(it, one, before=())

    def _of_an_ending(self, it: Exchanged) -> Iterator[str]:
        enders = [
            one for one in self._enders(it.id, it.epoch) if one.called <= it.answered
        ]
        could = {
            "stopped": any(one.verb in ("stop", "end", "end all") for one in enders),
            "taken-over": any(
                one.verb == "start" and one.id == it.id for one in enders
            ),
            "replaced": any(
                it.id in one.replaces and it.by == one.id for one in enders
            ),
            "evicted": any(
                one.verb == "start" and one.id == it.by and self._may_evict(one)
                for one in enders
            ),
            "expired": self._end(it.id, it.epoch, it, is_certain=True) - self.skew_ms
            <= it.answered,
        }
        if not could.get(it.reason):
            yield f"an untrue reason: {it.reason} by {it.by}"

    def _of_a_list(self, it: Exchanged) -> Iterator[str]:
        for one in self._certain(it):
            if one.id not in it.names:
                yield f"a live stream is not listed: {one.id}"
        for id in it.names:
            if not any(self._living(id, it)):
                yield f"a listed stream is not live: {id}"

    # --- certain and possible facts --------------------------------------------

    def _starts(self, id: str | None = None) -> Iterator[Exchanged]:
        return (
            one
            for one in self.operations
            if one.verb == "start" and id in (None, one.id)
        )

    def _of(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Generate the calls that reported the lease of a playback."""
        return (
            one
            for one in self.operations
            if one.id == id and one.epoch == epoch and one.verb in ("start", "renew")
        )

    def _answered_at(self, it: Exchanged) -> float:
        return min(
            (one.answered for one in self._starts(it.id) if one.epoch == it.epoch),
            default=FOREVER,
        )

    def _enders(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Generate the calls that can end this playback.

        A call that was sent before the playback began counts within the skew of
        the clocks, unless it is a start that was admitted before. A call that was
        denied counts too, because its first try can arrive late.
        """
        began = min(
            (one.called for one in self._starts(id) if one.epoch == epoch), default=0
        )
        for one in self.operations:
            is_start = one.verb == "start"
            is_before = (
                is_start
                and one.is_done
                and (one.answered < began or (one.id, one.epoch) == (id, epoch))
            )
            if one.called < began - self.skew_ms or is_before:
                continue
            if _ends(one, id, epoch) or (is_start and self._may_evict(one)):
                yield one

    def _is_certain(self, id: str, epoch: int, it: Exchanged) -> bool:
        """Return whether a playback was live during the whole call.

        The effect of the call itself is ignored.
        """
        is_known = any(
            one.epoch == epoch and one.is_done and one.answered < it.called
            for one in self._starts(id)
        )
        return (
            is_known
            and it.answered + self.skew_ms < self._end(id, epoch, it, is_certain=True)
            and not any(
                one is not it and one.called <= it.answered
                for one in self._enders(id, epoch)
            )
        )

    def _certain(self, it: Exchanged) -> list[Exchanged]:
        """Return the last start of each id whose playback was live during the call."""
        last = {
            one.id: one
            for one in sorted(self._starts(), key=lambda one: one.epoch)
            if one.is_done
        }
        return [one for one in last.values() if self._is_certain(one.id, one.epoch, it)]

    def _end(self, id: str, epoch: int, it: Exchanged, *, is_certain: bool) -> float:
        """Return the earliest (`is_certain`) or latest expiry of a lease.

        The earliest one follows from the answers before the call. The effect of
        the call itself is ignored.
        """
        of_it = [one for one in self._of(id, epoch) if one is not it]
        if is_certain:
            return max(
                (
                    one.expires_at
                    for one in of_it
                    if one.is_done and one.answered < it.called
                ),
                default=0,
            )

        unknown_ms = self._longest_ms(*LEASES) + self.skew_ms + self.late_ms
        at_most = (
            one.expires_at if one.is_done else one.answered + unknown_ms
            for one in of_it
            if one.called <= it.answered and one.may_be_done
        )
        return max(at_most, default=0)

    def _longest_ms(self, *kinds: str) -> int:
        """Return the longest lease of these kinds under any plan.

        A token keeps the pace of a plan that no longer applies.
        """
        seconds: list[int] = [
            plan.get(kind, 0) for plan in self.plans.values() for kind in kinds
        ]
        return max(self.lease_ms, 1000 * max(seconds))

    def _living(self, id: str, it: Exchanged) -> Iterator[Exchanged]:
        """Generate the starts whose playback can have been live during the call."""
        for one in self._starts(id):
            if one is it or one.called > it.answered:
                continue
            if not one.is_done:
                # It can arrive late, but not after a later start of its slot. It
                # lives for one lease, because its caller has no token.
                later = (
                    other
                    for other in self._starts(id)
                    if other.called > one.answered + self.skew_ms
                )
                is_fenced_off = any(
                    other.is_done and other.answered < it.called for other in later
                )
                until = (
                    min(one.answered, it.answered)
                    + self.late_ms
                    + self.lease_ms
                    + 2 * self.skew_ms
                )
                if it.called <= until and not is_fenced_off:
                    yield one
                continue
            if (
                it.called
                > self._end(id, one.epoch, it, is_certain=False) + self.skew_ms
            ):
                continue
            if not any(
                end.answered < it.called and self._has_ended(end, one)
                for end in self.operations
            ):
                yield one

    def _has_ended(self, end: Exchanged, start: Exchanged) -> bool:
        """Return whether a call ended a playback in every order of concurrent calls.

        An operator's call ends what began before it by the clock of its server.
        """
        skew_ms = self.skew_ms if end.verb in ("end", "end all") else 0
        return (
            end.is_done
            and end.called > start.answered + skew_ms
            and _ends(end, start.id, start.epoch)
        )

    def _may_continue(self, pause: Exchanged, it: Exchanged) -> bool:
        """Return whether the player can have resumed between a pause and this call."""
        return any(
            not one.pauses
            and one.may_be_done
            and one.called <= it.answered
            and pause.called <= self._at_latest(one)
            for one in self._of(it.id, it.epoch)
            if one.verb == "renew"
        )

    # --- limits and plans ------------------------------------------------------

    def _in_force(self, since: float, until: float) -> list[Exchanged]:
        """Return the changes of the limit of which one applies at a moment between."""
        changes = [
            UNSET,
            *(
                one
                for one in self.operations
                if one.verb == "limit" and one.called <= until
            ),
        ]
        newest = max(
            one.called for one in changes if one.is_done and one.answered < since
        )
        return [
            one for one in changes if one.may_be_done and self._at_latest(one) >= newest
        ]

    def _at_latest(self, one: Exchanged) -> float:
        """Return the latest time at which a call can have taken effect.

        The call is judged on the item that it read. A late one has no effect after
        any other write, and each admitted start is a write.
        """
        if one.is_done:
            return one.answered
        written = (
            start.answered
            for start in self._starts()
            if start.is_done and start.called > one.answered
        )
        return min([one.answered + self.late_ms, *written])

    def _may_evict(self, it: Exchanged) -> bool:
        return any(one.evicts for one in self._in_force(it.called, it.answered))

    def _plan(self, change: Exchanged) -> TomlTable:
        return self.plans[change.plan or "default"]

    def _limit(self, change: Exchanged) -> int:
        return int(
            self._plan(change)["limit"] if change.limit is None else change.limit
        )

    def _rules(self, change: Exchanged) -> list[TomlTable]:
        """Return the rules after this change, with the limit as a rule without name."""
        return [
            *self._plan(change).get("rules", ()),
            {"name": "", "limit": self._limit(change)},
        ]


def _ends(one: Exchanged, id: str, epoch: int) -> bool:
    """Return whether a call ends this playback if it is live."""
    match one.verb:
        case "start":
            return id in (one.id, *one.replaces)
        case "stop":
            return (one.id, one.epoch) == (id, epoch)
        case "end":
            return one.id == id
        case "end all":
            return id not in one.names
    return False


def _kind_of(problem: str | None) -> str:
    return (problem or "").partition(":")[0]


def _text_of(rule: TomlTable) -> str:
    return (
        f"rule {rule['name']} of {rule['limit']}"
        if rule["name"]
        else f"limit of {rule['limit']}"
    )


def _counted_as(rule: TomlTable, stream: Exchanged) -> Any:
    """Return the value by which a rule counts a stream, or None."""
    by = rule.get("per") or rule.get("distinct")
    is_counted = all(
        stream.attributes.get(name) in values
        for name, values in rule.get("where", {}).items()
    )
    return (stream.attributes.get(by) if by else True) if is_counted else None


def _places(
    rule: TomlTable, stream: Exchanged, others: Iterable[Exchanged]
) -> set[Any]:
    """Return the places of a rule that other streams occupy for a stream.

    These are the ids of other streams, or values that differ from its own value.
    """
    own = _counted_as(rule, stream)
    values = [(one.id, _counted_as(rule, one)) for one in others if own is not None]
    if "distinct" in rule:
        return {value for _, value in values} - {own, None}
    return {id for id, value in values if value == own}
