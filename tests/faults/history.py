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

    @property
    def playback(self) -> tuple[str, int]:
        """The id and the epoch, which identify a playback."""
        return self.id, self.epoch

    def took_effect_before(self, call: "Exchanged") -> bool:
        """Return whether this call took effect before another one was made."""
        return self.is_done and self.answered < call.called

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

    def wrong(self, call: Exchanged) -> str | None:
        """Return what is impossible in the answer to a call, or None.

        Every call that was made before this answer is known.
        """
        return next(self._claims(call), None)

    def shortest(self, call: Exchanged) -> list[Exchanged]:
        """Return as few calls as still show the impossible answer."""
        kept = list(self.operations)
        kind = _kind_of(self.wrong(call))
        for candidate in reversed(self.operations):
            fewer = [other for other in kept if other is not candidate]
            smaller = replace(self, operations=fewer)
            if candidate is not call and _kind_of(smaller.wrong(call)) == kind:
                kept = fewer

        return kept

    def forget(self, before: float) -> None:
        """Drop the calls that cannot affect a later call.

        The limits that can apply, and the starts of streams that can continue,
        are kept.
        """
        held = self._in_force(before, FOREVER)
        kept = {past for past in self.operations if past.answered > before}
        kept |= set(held)
        renewed = {past.playback for past in kept if past.verb == "renew"}
        kept |= {past for past in self._starts() if past.playback in renewed}
        self.operations = [past for past in self.operations if past in kept]

    # --- impossible answers ----------------------------------------------------

    def _claims(self, call: Exchanged) -> Iterator[str]:
        if call.status and call.status not in DOCUMENTED[call.verb]:
            yield f"no documented answer: {call.status}"
        if call.answered - call.called > self.slowest_ms:
            yield f"too slow: {call.answered - call.called:.0f} ms"
        if call.verb == "start" and call.is_done:
            yield from self._of_an_admission(call)
        elif call.verb == "start" and call.status == 409:
            yield from self._of_a_denial(call)
        elif call.verb == "renew":
            yield from self._of_a_renewal(call)
        elif call.verb == "stop" and call.status in (404, 410, 400):
            yield from self._of_a_failed_stop(call)
        elif call.verb == "list" and call.status == 200:
            yield from self._of_a_list(call)

    def _of_a_failed_stop(self, call: Exchanged) -> Iterator[str]:
        if self._is_certain(call.id, call.epoch, call):
            yield f"a holder could not stop: {call.status} {call.reason}"

    def _of_an_admission(self, call: Exchanged) -> Iterator[str]:
        starts = self._starts(call.id)
        earlier = [past for past in starts if past.took_effect_before(call)]
        live = [past for past in earlier if self._is_certain(*past.playback, call)]
        before = list(self._living(call.id, call))

        yield from self._of_epochs(call, earlier, live)
        if not self._may_evict(call):
            in_its_slot = before if call.status == 200 else ()
            yield from self._of_room(call, call, before=in_its_slot)
        if call.status == 201 and live:
            yield "201, but its slot was live, so 200 is true"
        if call.status == 200 and not before:
            yield "200, but its slot was free, so 201 is true"

    def _of_epochs(
        self,
        call: Exchanged,
        earlier: Iterable[Exchanged],
        live: Collection[Exchanged],
    ) -> Iterator[str]:
        for past in earlier:
            if past.epoch >= call.epoch + self.skew_ms * 1000:
                yield f"an epoch decreased: {past.epoch}, {call.epoch}"
            if past.epoch >= call.epoch and past in live:
                yield f"an epoch decreased: {past.epoch} of a live stream, {call.epoch}"

    def _of_room(
        self, call: Exchanged, stream: Exchanged, *, before: Collection[Exchanged]
    ) -> Iterator[str]:
        """Check that this call could give the stream its slot.

        It could not if, under each limit that can apply, a rule or the limit is
        full and did not count one of `before`, the streams that were in the slot,
        in the same way as it counts the stream.
        """
        others = [
            past
            for past in self._certain(call)
            if past.id not in (call.id, *call.replaces)
        ]

        def is_full(rule: TomlTable) -> bool:
            own = _counted_as(rule, stream)
            is_open = own is None or own in [_counted_as(rule, past) for past in before]
            return not is_open and len(_places(rule, stream, others)) >= rule["limit"]

        full = [
            list(filter(is_full, self._rules(past)))
            for past in self._in_force(call.called, call.answered)
        ]
        if all(full):
            holders = [past.id for past in others]
            yield f"over the {_text_of(full[0][0])}: {holders} and {call.id}"

    def _of_a_denial(self, call: Exchanged) -> Iterator[str]:
        reported = (call.plan, call.limit)
        possible = {
            (change.plan or "default", self._limit(change)): change
            for change in self._in_force(call.called, call.answered)
        }
        rules = self._rules(possible[reported]) if reported in possible else []
        named = [rule for rule in rules if rule["name"] == call.rule]
        if named:
            yield from self._of_a_denial_by(named[0], call)
            return

        kind = "a rule" if rules else "a limit"
        yield (
            f"a denial by {kind} that did not apply: {call.rule} of {reported}, "
            f"of {sorted(possible)}"
        )

    def _of_a_denial_by(self, rule: TomlTable, call: Exchanged) -> Iterator[str]:
        text = _text_of(rule)
        counted = [
            past
            for id in call.names
            for past in self._living(id, call)
            if _places(rule, call, [past])
        ]
        counted_ids = {past.id for past in counted}
        for id in call.names:
            if id not in counted_ids:
                yield (
                    f"a denial without a reason: {id} is not live "
                    f"or does not count for the {text}"
                )

        if len(_places(rule, call, counted)) < rule["limit"]:
            yield f"a denial without a reason: {call.names} for the {text}"

        own = [past for past in self._certain(call) if past.id == call.id]
        value = _counted_as(rule, call)
        if value in [_counted_as(rule, past) for past in own]:
            yield f"a denial of a holder: {call.id} under the {text}"

    def _of_a_renewal(self, call: Exchanged) -> Iterator[str]:
        if call.status in (400, 404, 410) and self._is_certain(
            call.id, call.epoch, call
        ):
            yield f"a holder could not renew: {call.status} {call.reason}"
        if call.status == 200:
            yield from self._of_a_renewal_after_an_end(call)
            yield from self._of_a_new_end(call)
        if call.status == 410:
            yield from self._of_an_ending(call)

    def _of_a_renewal_after_an_end(self, call: Exchanged) -> Iterator[str]:
        for past in self._enders(*call.playback):
            ending = self._ending_by(past, call)
            if ending and past.took_effect_before(call):
                yield f"a stream that was {ending} renewed"

    def _ending_by(self, past: Exchanged, call: Exchanged) -> str | None:
        """Return how an earlier call ended the playback of this call, if it did."""
        started_at = self._answered_at(call)
        if past.verb == "stop":
            return "stopped" if past.playback == call.playback else None
        if past.verb in ("end", "end all"):
            return "ended" if started_at + self.skew_ms < past.called else None
        if past.id == call.id and past.epoch > call.epoch:
            return "taken over"
        if call.id in past.replaces and started_at < past.called:
            return "replaced"
        return None

    def _of_a_new_end(self, call: Exchanged) -> Iterator[str]:
        at_least = self._end(*call.playback, call, is_certain=True)
        at_most = self._end(*call.playback, call, is_certain=False)
        if call.expires_at < at_least:
            yield f"an expiry decreased: {at_least:.0f}, {call.expires_at:.0f}"
        if call.pauses:
            yield from self._of_a_pause(call)

        ends = list(self._possible_ends(call))
        earliest = min(ends)
        latest = max(*ends, at_most)
        if not earliest <= call.expires_at <= latest:
            yield (
                f"an impossible expiry: {call.expires_at:.0f}, "
                f"not {earliest:.0f} to {latest:.0f}"
            )

        is_revival = at_most + self.skew_ms < call.called
        starts = [past for past in self._starts() if past.playback == call.playback]
        for start in starts if is_revival else ():
            yield from self._of_room(call, start, before=())

    def _of_a_pause(self, call: Exchanged) -> Iterator[str]:
        for past in self._of(*call.playback):
            is_earlier = past.pauses and past.took_effect_before(call)
            is_other = is_earlier and past.paused_at != call.paused_at
            if is_other and not self._may_continue(past, call):
                yield f"a pause began again: {past.paused_at:.0f}, {call.paused_at:.0f}"

    def _possible_ends(self, call: Exchanged) -> Iterator[float]:
        """Generate bounds of the expiry under each plan that can apply."""
        longest_ms = self._longest_ms("relaxed_lease_seconds") + self.skew_ms
        for change in self._in_force(call.called, call.answered):
            plan = self._plan(change)
            if call.pauses and "paused_seconds" in plan:
                yield call.paused_at + 1000 * plan["paused_seconds"]
            else:
                yield call.called - self.skew_ms + self.lease_ms
                yield call.answered + longest_ms

    def _of_an_ending(self, call: Exchanged) -> Iterator[str]:
        enders = [
            past
            for past in self._enders(call.id, call.epoch)
            if past.called <= call.answered
        ]
        could = {
            "stopped": any(past.verb in ("stop", "end", "end all") for past in enders),
            "taken-over": any(
                past.verb == "start" and past.id == call.id for past in enders
            ),
            "replaced": any(
                call.id in past.replaces and call.by == past.id for past in enders
            ),
            "evicted": any(
                past.verb == "start" and past.id == call.by and self._may_evict(past)
                for past in enders
            ),
            "expired": self._end(call.id, call.epoch, call, is_certain=True)
            - self.skew_ms
            <= call.answered,
        }
        if not could.get(call.reason):
            yield f"an untrue reason: {call.reason} by {call.by}"

    def _of_a_list(self, call: Exchanged) -> Iterator[str]:
        for past in self._certain(call):
            if past.id not in call.names:
                yield f"a live stream is not listed: {past.id}"
        for id in call.names:
            if not any(self._living(id, call)):
                yield f"a listed stream is not live: {id}"

    # --- certain and possible facts --------------------------------------------

    def _starts(self, id: str | None = None) -> Iterator[Exchanged]:
        return (
            past
            for past in self.operations
            if past.verb == "start" and id in (None, past.id)
        )

    def _of(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Generate the calls that reported the lease of a playback."""
        return (
            past
            for past in self.operations
            if past.playback == (id, epoch) and past.verb in ("start", "renew")
        )

    def _answered_at(self, call: Exchanged) -> float:
        starts = [past for past in self._starts() if past.playback == call.playback]
        return min((past.answered for past in starts), default=FOREVER)

    def _enders(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Generate the calls that can end this playback.

        A call that was sent before the playback began counts within the skew of
        the clocks, unless it is a start that was admitted before. A call that was
        denied counts too, because its first try can arrive late.
        """
        starts = [past for past in self._starts() if past.playback == (id, epoch)]
        began = min((past.called for past in starts), default=0)
        for past in self.operations:
            is_start = past.verb == "start"
            is_before = (
                is_start
                and past.is_done
                and (past.answered < began or past.playback == (id, epoch))
            )
            if past.called < began - self.skew_ms or is_before:
                continue
            if _ends(past, id, epoch) or (is_start and self._may_evict(past)):
                yield past

    def _is_certain(self, id: str, epoch: int, call: Exchanged) -> bool:
        """Return whether a playback was live during the whole call.

        The effect of the call itself is ignored.
        """
        is_known = any(
            past.epoch == epoch and past.is_done and past.answered < call.called
            for past in self._starts(id)
        )
        return (
            is_known
            and call.answered + self.skew_ms
            < self._end(id, epoch, call, is_certain=True)
            and not any(
                past is not call and past.called <= call.answered
                for past in self._enders(id, epoch)
            )
        )

    def _certain(self, call: Exchanged) -> list[Exchanged]:
        """Return the last start of each id whose playback was live during the call."""
        last = {
            past.id: past
            for past in sorted(self._starts(), key=lambda past: past.epoch)
            if past.is_done
        }
        starts = last.values()
        return [past for past in starts if self._is_certain(*past.playback, call)]

    def _end(self, id: str, epoch: int, call: Exchanged, *, is_certain: bool) -> float:
        """Return the earliest (`is_certain`) or latest expiry of a lease.

        The earliest one follows from the answers before the call. The effect of
        the call itself is ignored.
        """
        of_it = [past for past in self._of(id, epoch) if past is not call]
        if is_certain:
            return max(
                (
                    past.expires_at
                    for past in of_it
                    if past.is_done and past.answered < call.called
                ),
                default=0,
            )

        unknown_ms = self._longest_ms(*LEASES) + self.skew_ms + self.late_ms
        at_most = (
            past.expires_at if past.is_done else past.answered + unknown_ms
            for past in of_it
            if past.called <= call.answered and past.may_be_done
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

    def _living(self, id: str, call: Exchanged) -> Iterator[Exchanged]:
        """Generate the starts whose playback can have been live during the call."""
        for past in self._starts(id):
            if past is call or past.called > call.answered:
                continue
            can_live = self._can_live if past.is_done else self._can_arrive_late
            if can_live(past, call):
                yield past

    def _can_live(self, start: Exchanged, call: Exchanged) -> bool:
        """Return whether an admitted start can have been live during the call."""
        latest = self._end(*start.playback, call, is_certain=False) + self.skew_ms
        return call.called <= latest and not any(
            past.answered < call.called and self._has_ended(past, start)
            for past in self.operations
        )

    def _can_arrive_late(self, start: Exchanged, call: Exchanged) -> bool:
        """Return whether a start without an answer can be live during the call.

        It cannot arrive after a later start of its slot. It lives for one lease,
        because its caller has no token.
        """
        is_fenced_off = any(
            past.called > start.answered + self.skew_ms
            and past.took_effect_before(call)
            for past in self._starts(start.id)
        )
        answered = min(start.answered, call.answered)
        until = answered + self.late_ms + self.lease_ms + 2 * self.skew_ms
        return call.called <= until and not is_fenced_off

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

    def _may_continue(self, pause: Exchanged, call: Exchanged) -> bool:
        """Return whether the player can have resumed between a pause and this call."""
        return any(
            not past.pauses
            and past.may_be_done
            and past.called <= call.answered
            and pause.called <= self._at_latest(past)
            for past in self._of(call.id, call.epoch)
            if past.verb == "renew"
        )

    # --- limits and plans ------------------------------------------------------

    def _in_force(self, since: float, until: float) -> list[Exchanged]:
        """Return the changes of the limit of which one applies at a moment between."""
        changes = [
            UNSET,
            *(
                past
                for past in self.operations
                if past.verb == "limit" and past.called <= until
            ),
        ]
        newest = max(
            past.called for past in changes if past.is_done and past.answered < since
        )
        return [
            past
            for past in changes
            if past.may_be_done and self._at_latest(past) >= newest
        ]

    def _at_latest(self, past: Exchanged) -> float:
        """Return the latest time at which a call can have taken effect.

        The call is judged on the item that it read. A late one has no effect after
        any other write, and each admitted start is a write.
        """
        if past.is_done:
            return past.answered
        written = (
            start.answered
            for start in self._starts()
            if start.is_done and start.called > past.answered
        )
        return min([past.answered + self.late_ms, *written])

    def _may_evict(self, call: Exchanged) -> bool:
        return any(past.evicts for past in self._in_force(call.called, call.answered))

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


def _ends(past: Exchanged, id: str, epoch: int) -> bool:
    """Return whether a call ends this playback if it is live."""
    match past.verb:
        case "start":
            return id in (past.id, *past.replaces)
        case "stop":
            return (past.id, past.epoch) == (id, epoch)
        case "end":
            return past.id == id
        case "end all":
            return id not in past.names
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
    values = [(past.id, _counted_as(rule, past)) for past in others if own is not None]
    if "distinct" in rule:
        return {value for _, value in values} - {own, None}
    return {id for id, value in values if value == own}
