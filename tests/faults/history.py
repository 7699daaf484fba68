"""Whether what the callers of one user were told can have happened, given that some calls are on their way for long,
some answers are lost, leases run out by themselves and the servers' clocks disagree.

Ours, because nothing for Python fits. Porcupine (Go) and Knossos (Clojure) search for an order of the operations that a
sequential model allows; a lease, though, runs out without any operation, by a clock that nobody reads exactly, and
each call whose outcome is not known, and that may still come, doubles what such a search has to look at. Here each
claim is held to what is certain in any order: intervals, not permutations.

        called        answered                                     expires by the earliest clock
    ──────┼──────────────┼────────────────────────────────────────────────┼───────────┼────▶ time
          └─ may live ───┴───────────── lives for certain ────────────────┘ may live ─┘ by the latest
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

type TomlTable = Mapping[str, Any]
"""A plan, or a rule of one, as the file of plans has it."""

UNKNOWN = (0, 503)
"""Statuses after which nothing is known: no answer, or one that says so."""
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
"""By plans, beside the plain one."""
TOLD = (
    "epoch",
    "expires_at",
    "paused_at",
    "names",
    "replaces",
    "limit",
    "plan",
    "rule",
    "facts",
    "reason",
    "by",
)


@dataclass(eq=False)
class Exchanged:
    """A call and its answer. Instants are ms of one clock, that of who calls; `expires_at` and `paused_at` are the
    server's.

    `epoch` is that of the answer of a start, and of the token of a renewal or stop. `names` are the streams in a
    denial or a list, or the one to keep; `limit` and `plan` what an operator set, or what a denial tells, and `rule`
    the one that it names. `facts` are what a start says of its stream that rules may look at, by attribute."""

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
    facts: Mapping[str, Any] = field(default_factory=dict)
    evicts: bool = False
    pauses: bool = False
    paused_at: float = 0
    reason: str = ""
    by: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether it was told to have been carried out."""
        return self.status in (200, 201, 204)

    @property
    def may_be_done(self) -> bool:
        return self.is_done or self.status in UNKNOWN

    def __str__(self) -> str:
        told = f"{self.status or 'no answer'}"
        facts = {name: getattr(self, name) for name in TOLD if getattr(self, name)}
        return f"{self.called:.0f} to {self.answered:.0f}: {self.verb} {self.id} -> {told} {facts}"


UNSET = Exchanged("limit", -FOREVER, answered=-FOREVER, status=204)
"""What holds for a user before an operator set anything."""


@dataclass
class History:
    """The calls of one user, in the order in which they were made. `plans` are all there are, by name, the default one
    too; a lease lasts `lease_ms` under each, unless it is relaxed or paused. `skew_ms` is by how much clocks may
    disagree, `late_ms` for how long the network may keep a request."""

    plans: Mapping[str, TomlTable]
    lease_ms: int
    skew_ms: int = 0
    late_ms: int = 0
    slowest_ms: float = 8500
    operations: list[Exchanged] = field(default_factory=list)

    def wrong(self, it: Exchanged) -> str | None:
        """What cannot be in the answer to a call, given every call that was made before it was answered."""
        return next(self._claims(it), None)

    def shortest(self, it: Exchanged) -> list[Exchanged]:
        """As few calls as still show what is wrong."""
        kept = list(self.operations)
        said = (self.wrong(it) or "").partition(":")[0]
        for one in list(reversed(kept)):
            fewer = [other for other in kept if other is not one]
            smaller = replace(self, operations=fewer)
            if one is not it and (smaller.wrong(it) or "").partition(":")[0] == said:
                kept = fewer
        return kept

    def forget(self, before: float) -> None:
        """Drop what can matter to no call that is made from now on: not the limits of which one holds, and not the
        starts of playbacks that may go on."""
        held = self._in_force(before, FOREVER)
        kept = {one for one in self.operations if one.answered > before or one in held}
        playing = {(one.id, one.epoch) for one in kept if one.verb == "renew"}
        kept |= {one for one in self._starts() if (one.id, one.epoch) in playing}
        self.operations = [one for one in self.operations if one in kept]

    # --- what may not be ------------------------------------------------------------------------------------------

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
                yield f"an epoch went back: {one.epoch}, {it.epoch}"
            if one.epoch >= it.epoch and self._is_certain(it.id, one.epoch, it):
                yield f"an epoch went back: {one.epoch} of a live stream, {it.epoch}"
        before = list(self._living(it.id, it))
        if not self._may_evict(it):
            yield from self._of_room(it, it, before=before if it.status == 200 else ())
        if it.status == 201 and any(
            self._is_certain(it.id, one.epoch, it) for one in earlier
        ):
            yield "201, and its slot was live: 200 is what happened"
        if it.status == 200 and not before:
            yield "200, and nothing was in its slot: 201 is what happened"

    def _of_room(
        self, it: Exchanged, stream: Exchanged, *, before: Collection[Exchanged]
    ) -> Iterator[str]:
        """Whether this call could give the stream its slot. Whatever may hold, a rule or the limit is full, and counted
        none of those that were in the slot before as it counts the stream."""
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
            yield f"over the {_said(full[0][0])}: {[one.id for one in others]} and {it.id}"

    def _of_a_denial(self, it: Exchanged) -> Iterator[str]:
        told = (it.plan, it.limit)
        may_hold = {
            (one.plan or "default", self._limit(one)): one
            for one in self._in_force(it.called, it.answered)
        }
        rules = self._rules(may_hold[told]) if told in may_hold else []
        rule = next((rule for rule in rules if rule["name"] == it.rule), None)
        if rule is None:
            what = "a rule" if rules else "a limit"
            yield f"a denial by {what} that did not hold: {it.rule} of {told}, of {sorted(may_hold)}"
            return
        living = [
            one
            for id in it.names
            for one in self._living(id, it)
            if _places(rule, it, [one])
        ]
        for id in it.names:
            if id not in [one.id for one in living]:
                yield f"a denial without a reason: {id} does not live, or not for the {_said(rule)}"
        if len(_places(rule, it, living)) < rule["limit"]:
            yield f"a denial without a reason: {it.names} for the {_said(rule)}"
        if any(
            one.id == it.id and _counted_as(rule, one) == _counted_as(rule, it)
            for one in self._certain(it)
        ):
            yield f"a denial of who has a place: {it.id} under the {_said(rule)}"

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
                    and self._told(it) + self.skew_ms < one.called
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
                    and self._told(it) < one.called
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
            yield f"an end moved back: {at_least:.0f}, {it.expires_at:.0f}"
        for one in self._of(it.id, it.epoch):
            is_known = (
                it.pauses and one.pauses and one.is_done and one.answered < it.called
            )
            if (
                is_known
                and one.paused_at != it.paused_at
                and not self._may_continue(one, it)
            ):
                yield f"a pause began anew: {one.paused_at:.0f}, {it.paused_at:.0f}"
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
            yield f"an end that cannot be: {it.expires_at:.0f}, and not {min(ends):.0f} to {max(*ends, at_most):.0f}"
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
            yield f"a reason that is not true: {it.reason} by {it.by}"

    def _of_a_list(self, it: Exchanged) -> Iterator[str]:
        for one in self._certain(it):
            if one.id not in it.names:
                yield f"a stream that lives is not listed: {one.id}"
        for id in it.names:
            if not any(self._living(id, it)):
                yield f"a stream is listed that does not live: {id}"

    # --- what is certain, and what may be --------------------------------------------------------------------------

    def _starts(self, id: str | None = None) -> Iterator[Exchanged]:
        return (
            one
            for one in self.operations
            if one.verb == "start" and id in (None, one.id)
        )

    def _of(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """What was told of the lease of a playback."""
        return (
            one
            for one in self.operations
            if one.id == id and one.epoch == epoch and one.verb in ("start", "renew")
        )

    def _told(self, it: Exchanged) -> float:
        return min(
            (one.answered for one in self._starts(it.id) if one.epoch == it.epoch),
            default=FOREVER,
        )

    def _enders(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Calls that may end this playback: of those that were sent before it began, only as far as clocks disagree and
        no start that was admitted before. Also those that were refused: a first try may come late."""
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
        """Whether this playback lived all the while that a call took, but for what that call did."""
        is_told = any(
            one.epoch == epoch and one.is_done and one.answered < it.called
            for one in self._starts(id)
        )
        return (
            is_told
            and it.answered + self.skew_ms < self._end(id, epoch, it, is_certain=True)
            and not any(
                one is not it and one.called <= it.answered
                for one in self._enders(id, epoch)
            )
        )

    def _certain(self, it: Exchanged) -> list[Exchanged]:
        """The starts of the playbacks that did: of each id the last one, if any."""
        last = {
            one.id: one
            for one in sorted(self._starts(), key=lambda one: one.epoch)
            if one.is_done
        }
        return [one for one in last.values() if self._is_certain(one.id, one.epoch, it)]

    def _end(self, id: str, epoch: int, it: Exchanged, *, is_certain: bool) -> float:
        """When its lease ends: at least, by what was told before the call, or at most, but for what that call did."""
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
        """The longest lease of these kinds under any plan: a token keeps the pace of one that holds no more."""
        seconds: list[int] = [
            plan.get(kind, 0) for plan in self.plans.values() for kind in kinds
        ]
        return max(self.lease_ms, 1000 * max(seconds))

    def _living(self, id: str, it: Exchanged) -> Iterator[Exchanged]:
        """The starts of the playbacks of this id that may have lived at a moment of the call."""
        for one in self._starts(id):
            if one is it or one.called > it.answered:
                continue
            if not one.is_done:
                # It may come late, but not after another of its slot. Nobody has a token of it: it lives for a lease.
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
        """Whether this call has ended a playback that was known by then, whatever the order of those at once. An
        operator's call ends what began before it by the clock of its server."""
        skew_ms = self.skew_ms if end.verb in ("end", "end all") else 0
        return (
            end.is_done
            and end.called > start.answered + skew_ms
            and _ends(end, start.id, start.epoch)
        )

    def _may_continue(self, pause: Exchanged, it: Exchanged) -> bool:
        """Whether the player may have gone on between a pause and this call."""
        return any(
            not one.pauses
            and one.may_be_done
            and one.called <= it.answered
            and pause.called <= self._at_latest(one)
            for one in self._of(it.id, it.epoch)
            if one.verb == "renew"
        )

    # --- limits and plans ------------------------------------------------------------------------------------------

    def _in_force(self, since: float, until: float) -> list[Exchanged]:
        """Changes of the limit of which one holds at a moment between."""
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
        """Until when a call can have been carried out that is judged on the item as it was read: a late one changes
        nothing any more once anything else was written, as each start that is admitted is."""
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
        """What may refuse a start after this change: the plan's rules, and the limit as one without a name."""
        return [
            *self._plan(change).get("rules", ()),
            {"name": "", "limit": self._limit(change)},
        ]


def _ends(one: Exchanged, id: str, epoch: int) -> bool:
    """Whether this call is one to end a playback that it finds."""
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


def _said(rule: TomlTable) -> str:
    return (
        f"rule {rule['name']} of {rule['limit']}"
        if rule["name"]
        else f"limit of {rule['limit']}"
    )


def _counted_as(rule: TomlTable, stream: Exchanged) -> Any:
    """What a rule counts a stream with or as; None when it does not count it."""
    by = rule.get("per") or rule.get("distinct")
    is_counted = all(
        stream.facts.get(name) in values
        for name, values in rule.get("where", {}).items()
    )
    return (stream.facts.get(by) if by else True) if is_counted else None


def _places(
    rule: TomlTable, stream: Exchanged, others: Iterable[Exchanged]
) -> set[Any]:
    """What takes places of a rule from a stream: others by their id, or values that are not its own."""
    own = _counted_as(rule, stream)
    values = [(one.id, _counted_as(rule, one)) for one in others if own is not None]
    if "distinct" in rule:
        return {value for _, value in values} - {own, None}
    return {id for id, value in values if value == own}
