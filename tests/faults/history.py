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

from collections.abc import Iterator
from dataclasses import dataclass, field

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


@dataclass
class Exchanged:
    """A call and its answer. Instants are ms of one clock, that of who calls; `expires_at` is the server's.

    `epoch` is that of the answer of a start, and of the token of a renewal or stop. `names` are the streams in a
    denial or a list, or the one to keep; `limit` what an operator set, or what a denial tells."""

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
    evicts: bool = False
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
        facts = {
            name: getattr(self, name)
            for name in ("epoch", "expires_at", "names", "replaces", "limit", "reason", "by")
            if getattr(self, name)
        }
        return f"{self.called:.0f} to {self.answered:.0f}: {self.verb} {self.id} -> {told} {facts}"


@dataclass
class History:
    """The calls of one user, in the order in which they were made. `skew_ms` is by how much clocks may disagree,
    `late_ms` for how long the network may keep a request."""

    limit: int
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
            smaller = History(self.limit, self.lease_ms, self.skew_ms, self.late_ms, self.slowest_ms, fewer)
            if one is not it and (smaller.wrong(it) or "").partition(":")[0] == said:
                kept = fewer
        return kept

    def forget(self, before: float) -> None:
        """Drop what can matter to no call that is made from now on, but for the limit."""
        last = max((one.answered for one in self.operations if one.verb == "limit" and one.is_done), default=0)
        self.operations = [
            one for one in self.operations if one.answered > before or (one.verb == "limit" and one.answered >= last)
        ]

    # --- what may not be ------------------------------------------------------------------------------------------

    def _claims(self, it: Exchanged) -> Iterator[str]:
        if it.status and it.status not in DOCUMENTED[it.verb]:
            yield f"no documented answer: {it.status}"
        if it.answered - it.called > self.slowest_ms:
            yield f"too slow: {it.answered - it.called:.0f} ms"
        if it.verb == "start":
            yield from self._of_a_start(it)
        elif it.verb == "renew":
            yield from self._of_a_renewal(it)
        elif it.verb == "stop" and it.status in (404, 410, 400) and self._is_certain(it.id, it.epoch, it):
            yield f"a holder could not stop: {it.status} {it.reason}"
        elif it.verb == "list" and it.status == 200:
            yield from self._of_a_list(it)

    def _of_a_start(self, it: Exchanged) -> Iterator[str]:
        if it.is_done:
            earlier = [one for one in self._starts(it.id) if one.is_done and one.answered < it.called]
            for one in earlier:
                if one.epoch >= it.epoch + self.skew_ms * 1000:
                    yield f"an epoch went back: {one.epoch}, {it.epoch}"
                if one.epoch >= it.epoch and self._is_certain(it.id, one.epoch, it):
                    yield f"an epoch went back: {one.epoch} of a live stream, {it.epoch}"
            others = {
                one.id
                for one in self._starts()
                if one.id not in (it.id, *it.replaces) and one.is_done and self._is_certain(one.id, one.epoch, it)
            }
            limits = self._limits(it)
            if it.status == 201 and len(others) >= max(limits) and not self._may_evict(it):
                yield f"over the limit of {max(limits)}: {sorted(others)} and {it.id}"
            if it.status == 201 and any(self._is_certain(it.id, one.epoch, it) for one in earlier):
                yield "201, and its slot was live: 200 is what happened"
            if it.status == 200 and not self._may_live(it.id, it, but=it):
                yield "200, and nothing was in its slot: 201 is what happened"
        if it.status == 409:
            if it.limit not in self._limits(it):
                yield f"a denial by a limit that did not hold: {it.limit}, of {sorted(self._limits(it))}"
            if len(set(it.names)) < (it.limit or 0):
                yield f"a denial without a reason: {it.names} of {it.limit}"
            for id in it.names:
                if not self._may_live(id, it):
                    yield f"a denial without a reason: {id} does not live"

    def _of_a_renewal(self, it: Exchanged) -> Iterator[str]:
        if it.status in (400, 404, 410) and self._is_certain(it.id, it.epoch, it):
            yield f"a holder could not renew: {it.status} {it.reason}"
        if it.status == 200:
            for one in self._enders(it.id, it.epoch):
                is_certain = one.is_done and one.answered < it.called
                if is_certain and one.verb == "stop" and one.epoch == it.epoch:
                    yield "a stream that was stopped renewed"
                if is_certain and one.verb in ("end", "end all") and self._told(it) + self.skew_ms < one.called:
                    yield "a stream that was ended renewed"
                if is_certain and one.verb == "start" and one.id == it.id and one.epoch > it.epoch:
                    yield "a stream that was taken over renewed"
                if is_certain and one.verb == "start" and it.id in one.replaces and self._told(it) < one.called:
                    yield "a stream that was replaced renewed"
            ends = [one.expires_at for one in self._of(it.id, it.epoch) if one.is_done and one.answered < it.called]
            if it.expires_at < max(ends, default=0):
                yield f"an end moved back: {max(ends):.0f}, {it.expires_at:.0f}"
        if it.status == 410:
            yield from self._of_an_ending(it)

    def _of_an_ending(self, it: Exchanged) -> Iterator[str]:
        enders = [one for one in self._enders(it.id, it.epoch) if one.called <= it.answered]
        could = {
            "stopped": any(one.verb in ("stop", "end", "end all") for one in enders),
            "taken-over": any(one.verb == "start" and one.id == it.id for one in enders),
            "replaced": any(it.id in one.replaces and it.by == one.id for one in enders),
            "evicted": any(one.verb == "start" and one.id == it.by and self._may_evict(one) for one in enders),
            "expired": self._end(it.id, it.epoch, it, is_certain=True) - self.skew_ms <= it.answered,
        }
        if not could.get(it.reason):
            yield f"a reason that is not true: {it.reason} by {it.by}"

    def _of_a_list(self, it: Exchanged) -> Iterator[str]:
        for one in self._starts():
            if one.is_done and one.id not in it.names and self._is_certain(one.id, one.epoch, it):
                yield f"a stream that lives is not listed: {one.id}"
        for id in it.names:
            if not self._may_live(id, it):
                yield f"a stream is listed that does not live: {id}"

    # --- what is certain, and what may be --------------------------------------------------------------------------

    def _starts(self, id: str | None = None) -> Iterator[Exchanged]:
        return (one for one in self.operations if one.verb == "start" and id in (None, one.id))

    def _of(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """What was told of the lease of a playback."""
        return (
            one for one in self.operations if one.id == id and one.epoch == epoch and one.verb in ("start", "renew")
        )

    def _told(self, it: Exchanged) -> float:
        return min((one.answered for one in self._starts(it.id) if one.epoch == it.epoch), default=FOREVER)

    def _enders(self, id: str, epoch: int) -> Iterator[Exchanged]:
        """Calls that may end this playback: of those that were sent before it began, only as far as clocks disagree."""
        began = min((one.called for one in self._starts(id) if one.epoch == epoch), default=0) - self.skew_ms
        for one in self.operations:
            is_its_own = one.verb == "start" and one.id == id and one.epoch == epoch
            if one.called < began or is_its_own:
                continue
            ends = {
                "start": one.id == id or id in one.replaces or self._may_evict(one),
                "stop": one.id == id and one.epoch == epoch,
                "end": one.id == id,
                "end all": id not in one.names,
            }
            if ends.get(one.verb):  # also one that was refused: a first try of it may come late
                yield one

    def _is_certain(self, id: str, epoch: int, it: Exchanged) -> bool:
        """Whether this playback lived all the while that a call took, but for what that call did."""
        is_told = any(one.epoch == epoch and one.is_done and one.answered < it.called for one in self._starts(id))
        return (
            is_told
            and it.answered + self.skew_ms < self._end(id, epoch, it, is_certain=True)
            and not any(one is not it and one.called <= it.answered for one in self._enders(id, epoch))
        )

    def _end(self, id: str, epoch: int, it: Exchanged, *, is_certain: bool) -> float:
        """When its lease ends: at least, by what was told before the call, or at most."""
        told = [one.expires_at for one in self._of(id, epoch) if one.is_done and one.answered < it.called]
        if is_certain:
            return max(told, default=0)
        at_most = [
            one.answered + self.lease_ms + self.skew_ms + self.late_ms
            for one in self._of(id, epoch)
            if one.called <= it.answered and one.may_be_done
        ]
        return max(told + at_most, default=0)

    def _may_live(self, id: str, it: Exchanged, but: Exchanged | None = None) -> bool:
        """Whether some playback of this id may have lived at a moment of the call."""
        for one in self._starts(id):
            if one is but or one.called > it.answered:
                continue
            if not one.is_done:
                # It may come late. Nobody has a token of it, so that it lives for a lease.
                if it.called <= min(one.answered, it.answered) + self.late_ms + self.lease_ms + 2 * self.skew_ms:
                    return True
                continue
            if it.called > self._end(id, one.epoch, it, is_certain=False) + self.skew_ms:
                continue
            gone = (end for end in self._enders(id, one.epoch) if end.is_done and end.answered < it.called)
            if not any(self._has_ended(end, id, one.answered) for end in gone):
                return True
        return False

    def _has_ended(self, end: Exchanged, id: str, told: float) -> bool:
        """Whether this call has ended a playback that was known by then, whatever the order of those at once. An
        operator's call ends what began before it by the clock of its server."""
        skew_ms = self.skew_ms if end.verb in ("end", "end all") else 0
        return end.called > told + skew_ms and (end.verb != "start" or id in (end.id, *end.replaces))

    def _limit_changes(self, it: Exchanged) -> list[Exchanged]:
        """Those of which one holds at a moment of the call."""
        changes = [one for one in self.operations if one.verb == "limit" and one.called <= it.answered]
        known = [one for one in changes if one.is_done]

        def is_superseded(one: Exchanged) -> bool:
            late = 0 if one.is_done else self.late_ms
            return any(other.called > one.answered + late and other.answered < it.called for other in known)

        return [one for one in changes if one.may_be_done and not is_superseded(one)]

    def _limits(self, it: Exchanged) -> set[int]:
        changes = self._limit_changes(it)
        limits = {self.limit if one.limit is None else one.limit for one in changes}
        return limits if any(one.is_done and one.answered < it.called for one in changes) else limits | {self.limit}

    def _may_evict(self, it: Exchanged) -> bool:
        return any(one.evicts for one in self._limit_changes(it))
