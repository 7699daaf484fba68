"""Random sequences of calls of one user, with faults, on two servers."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hypothesis import strategies as st

from tests.contract.catalogue import Attributes, Catalogue, read
from tests.contract.faults import BEHIND_MS, LATER, WAIT_MS, Meeting
from tests.contract.order import Search
from tests.contract.scenes import attributes
from tests.contract.state import NOTHING_GRANTED, Granted
from tests.contract.world import Try, World

IDS = ("tv", "phone", "pc", "a long id ".replace(" ", "-") * 12, "b" * 128)
"""The item has room for the endings of a dozen short ids, or of two long ones."""

WAITS_MS = (0, 1, 400, 3000, 3000, 20_000, 20_000, 45_000, 61_000, 95_000, 170_000)
WAITS_INSIDE_MS = (0, 1, 400, 3000)
"""A call lasts a few seconds at most, so another one inside it does not wait long."""
FAULTS = (
    "lost",
    "unanswered",
    "doubled, first",
    "doubled, last",
    "held",
    "gave up",
    "held, gave up",
    "down",
)


@dataclass(frozen=True)
class Fault:
    """A fault at one try. A held try arrives after `steps` further steps."""

    mode: str
    index: int
    steps: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call, after a pause.

    `age` selects the token or playback of the stream: 0 is the latest.
    `inside` is a step that acts while this call waits for the engine.
    """

    verb: str
    wait_ms: int = 0
    is_behind: bool = False
    id: str = "tv"
    said: Attributes = ()
    age: int = 0
    names_epoch: bool = False
    replaces: str | None = None
    granted: Granted = NOTHING_GRANTED
    is_paused: bool = False
    is_me: bool = False
    keeps: bool = False
    limit: int | None = None
    plan: str | None = None
    when_full: str | None = None
    ends_surplus: bool = False
    fault: Fault | None = None
    inside: "Step | None" = None


@dataclass(frozen=True)
class Program:
    """A catalogue of plans, a start rate, and steps."""

    catalogue: str
    burst: int
    steps: tuple[Step, ...]
    is_open: bool = False


@dataclass
class Run:
    """A program that runs in a world. `held` are tries that arrive later."""

    world: World
    held: list[tuple[int, Try]] = field(default_factory=list)
    step: int = 0

    def run(self, program: Program) -> Search:
        """Run every step, deliver what is held, and observe the state."""
        for self.step, step in enumerate(program.steps):
            self._deliver(until=self.step)
            self.world.now += step.wait_ms
            self._act(step)

        self._deliver(until=len(program.steps) + 100)
        self.world.now += 1000
        self._observe()
        return Search(self.world.history, self.world.catalogue)

    def _act(self, step: Step) -> None:
        details = self._details(step)
        if details is None:
            return

        if step.fault is None:
            fault = Meeting("before", 0, partial(self._act_inside, step))
            self.world.call(step.verb, fault=fault, **details)
            return

        inside = partial(self._act_after_a_wait, step)
        meeting = Meeting(step.fault.mode, step.fault.index, inside)
        event = self.world.call(step.verb, fault=meeting, **details)
        is_unknown = event.answer.is_unknown or event.is_outage
        if is_unknown and step.fault.mode in LATER:
            inside()
        arrives = self.step + step.fault.steps
        self.held += [(arrives, carry_out) for carry_out in meeting.held]

    def _act_inside(self, step: Step) -> None:
        if step.inside is not None:
            self.world.now += step.inside.wait_ms
            self._act(step.inside)

    def _act_after_a_wait(self, step: Step) -> None:
        """Let the time of a try without an answer pass; then the step inside acts."""
        self.world.now += WAIT_MS
        self._act_inside(step)

    def _replaces(self, step: Step) -> tuple[tuple[str, int | None], ...]:
        """Return the stream that a start replaces, with the playback if it names it."""
        if step.replaces is None:
            return ()
        playback = self._latest(self.world.known.epochs, step.replaces, step.age)
        return ((step.replaces, playback if step.names_epoch else None),)

    def _details(self, step: Step) -> dict[str, Any] | None:
        """Return the arguments of the call; None without a token to send."""
        world = self.world
        details: dict[str, Any] = {
            "now": world.now - BEHIND_MS * step.is_behind,
            "granted": step.granted,
        }
        match step.verb:
            case "start" | "dry run":
                details |= {
                    "id": step.id,
                    "attributes": step.said,
                    "replaces": self._replaces(step),
                }
            case "heartbeat" | "stop":
                token = self._latest(world.known.tokens, step.id, step.age)
                if token is None:
                    return None
                details |= {"id": step.id, "token": token, "granted": Granted()}
                details["is_paused"] = step.is_paused and step.verb == "heartbeat"
            case "end":
                playback = self._latest(world.known.epochs, step.id, step.age)
                details["id"] = step.id
                details["playback"] = playback if step.names_epoch else None
            case "end all":
                details["keep"] = step.id if step.keeps else None
            case "set limit":
                details |= {
                    "limit": 1
                    if step.plan is None and step.limit is None
                    else step.limit,
                    "plan": step.plan,
                    "when_full": step.when_full,
                    "ends_surplus": step.ends_surplus,
                }
            case "read":
                details["id"] = step.id
        if step.verb in ("set limit", "clear limit", "forget"):
            details["granted"] = Granted()
        else:
            details["is_me"] = step.is_me
        return details

    def _latest(self, known: dict[int, Any], id: str, age: int) -> int | None:
        numbers = sorted(
            event.call.number
            for event in self.world.history
            if event.call.id == id and event.call.number in known
        )
        return numbers[max(0, len(numbers) - 1 - age)] if numbers else None

    def _deliver(self, *, until: int) -> None:
        due = [carry_out for arrives, carry_out in self.held if arrives < until]
        self.held = [held for held in self.held if held[0] >= until]
        for carry_out in due:
            with suppress(Exception):  # its caller is gone
                carry_out()

    def _observe(self) -> None:
        """Make calls that show the state."""
        self.world.call("list")
        self.world.call("get limit")
        for id in IDS:
            token = self._latest(self.world.known.tokens, id, 0)
            if token is not None:
                self.world.call("heartbeat", id=id, token=token)
        self.world.call("list")


def run_program(program: Program, serve: Callable[[World], None]) -> Search:
    """Run a program for a new user."""
    catalogue = catalogue_of(program)
    world = World(catalogue, f"program {secrets.token_hex(6)}")
    serve(world)
    return Run(world).run(program)


def catalogue_of(program: Program) -> Catalogue:
    """Return the plans and the start rate of a program."""
    return read(program.catalogue, burst=program.burst, is_open=program.is_open)


SAID = st.builds(
    attributes,
    st.sampled_from(["film", "show", "news"]),
    st.sampled_from(["tv", "phone", None]),
    st.sampled_from(["home", "cafe", "train"]),
    st.sampled_from([None, None, True, 1]),
)
PLANS = {
    "denying": ["evicting", "ruled", "relaxed", "short"],
    "evicting": ["denying", "ruled"],
}
VERBS = (
    *["start"] * 6,
    *["heartbeat"] * 6,
    *["stop"] * 2,
    *["end"] * 2,
    *["set limit"] * 3,
    "end all",
    "clear limit",
    "forget",
    "dry run",
    "read",
    "list",
)


def steps(
    plans: list[str],
    *,
    waits_ms: Sequence[int],
    faults: st.SearchStrategy[Fault | None],
    inside: st.SearchStrategy[Step | None],
) -> st.SearchStrategy[Step]:
    """Return steps under these plans."""
    granted = st.just(Granted()) | st.builds(
        Granted, st.none() | st.integers(0, 3), st.none() | st.sampled_from(plans)
    )
    return st.builds(
        Step,
        verb=st.sampled_from(VERBS),
        wait_ms=st.sampled_from(waits_ms),
        is_behind=st.booleans(),
        id=st.sampled_from([*IDS[:3], *IDS]),
        said=SAID,
        age=st.sampled_from([0, 0, 0, 1, 2]),
        names_epoch=st.booleans(),
        replaces=st.none() | st.sampled_from(IDS),
        granted=st.just(Granted()) | granted,
        is_paused=st.sampled_from([False, False, True]),
        is_me=st.sampled_from([False, False, True]),
        keeps=st.booleans(),
        limit=st.none() | st.integers(0, 4),
        plan=st.none() | st.sampled_from(plans),
        when_full=st.sampled_from([None, None, "deny", "evict-oldest"]),
        ends_surplus=st.booleans(),
        fault=faults,
        inside=inside,
    )


def programs(catalogue: str, *, with_faults: bool = True) -> st.SearchStrategy[Program]:
    """Return programs under a catalogue."""
    plans = PLANS[catalogue]
    none: st.SearchStrategy[Any] = st.none()
    faults: st.SearchStrategy[Any] = none
    if with_faults:
        fault = st.builds(
            Fault,
            st.sampled_from(FAULTS),
            st.sampled_from([0, 0, 1]),
            st.integers(0, 4),
        )
        faults = none | none | fault
    inner = steps(plans, waits_ms=WAITS_INSIDE_MS, faults=none, inside=none)
    inside = none | none | none | inner
    outer = steps(plans, waits_ms=WAITS_MS, faults=faults, inside=inside)
    return st.builds(
        Program,
        st.just(catalogue),
        st.sampled_from([2, 6]),
        st.lists(outer, min_size=1, max_size=25).map(tuple),
        st.booleans(),
    )
