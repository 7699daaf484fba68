"""A report's figures, beside a count of what really happened to a population, second by second."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils.html import escape

from insights import paper
from insights.figures import LENGTHS_SAID, Figure, report
from streams import service
from streams.errors import StreamEnded, StreamLimitReached, StreamNotFound
from streams.events import EventFields
from streams.rules import Asked, Plans, WhenFull
from streams.rules.plans import Rule
from streams.service import Context
from streams_project.events import event
from tests.builders import plans_of
from tests.model import ModelStore

BEGAN = 1_800_000_000_000
LEASE_SECONDS, BEAT_SECONDS = 60, 20
SINCE, UNTIL = 900, 4500
DEVICES = {"tv": "tv", "phone": "phone", "tablet": None, "web": "browser"}
SMALL = ("phone", "web")
ONE_SMALL = Rule(
    name="one-small-screen", limit=1, where={"deviceType": ("phone", "browser")}
)
FAMILY = plans_of(
    limit=3, lease_ms=LEASE_SECONDS * 1000, name="family", rules=(ONE_SMALL,)
)
PLANS = plans_of(limit=2, lease_ms=LEASE_SECONDS * 1000, named={"family": FAMILY})
told: list[dict[str, Any]] = []


def tell(kind: str, now: int, facts: EventFields) -> None:
    told.append(event(kind, now, facts))


@dataclass
class Watched:
    """A playback as its player knows it, in seconds. `token` is its last."""

    started: int
    token: str
    expires: int
    beat: int
    is_silent: bool = False


@dataclass
class Watcher:
    """A user and what really happened: each second at most one thing."""

    name: str
    plan: Plans
    when_full: WhenFull
    live: dict[str, Watched] = field(default_factory=dict)
    ghosts: dict[str, Watched] = field(default_factory=dict)
    at_level: Counter[int] = field(default_factory=Counter)


@dataclass
class Truth:
    """What is counted while it happens."""

    active: set[str] = field(default_factory=set)
    starts: Counter[str] = field(default_factory=Counter)
    by_type: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_plan: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)

    def over(self, play: Watched, second: int, why: str) -> None:
        if second >= SINCE:
            self.endings[why] += 1
        if play.started >= SINCE:
            self.lengths.append(second - play.started)


@dataclass
class World:
    """People whose players start, beat, stop, go silent and come back."""

    people: list[Watcher]
    random: random.Random
    truth: Truth = field(default_factory=Truth)

    def live_through(self, second: int) -> None:
        for person in self.people:
            for id in [
                id for id, play in person.live.items() if play.expires <= second
            ]:
                person.ghosts[id] = person.live.pop(id)
            self.act(person, second)
            if second >= SINCE and person.live:
                person.at_level[len(person.live)] += 1

    def act(self, person: Watcher, second: int) -> None:
        due = [
            id
            for id, play in person.live.items()
            if not play.is_silent and second - play.beat >= BEAT_SECONDS
        ]
        late = [id for id, play in person.ghosts.items() if second - play.beat > 90]
        chance = self.random.random()
        if due:
            self.beat(person, due[0], second)
        elif chance < 0.012:
            self.start(person, self.random.choice(list(DEVICES)), second)
        elif chance < 0.016 and person.live:
            self.stop(person, self.random.choice(list(person.live)), second)
        elif chance < 0.019 and person.live:
            person.live[self.random.choice(list(person.live))].is_silent = True
        elif chance < 0.022 and late:
            self.revive(person, late[0], second)
        elif chance < 0.0222:
            service.end_all(context(person, second))
            for play in person.live.values():
                self.truth.over(play, second, "stopped")
            for play in person.ghosts.values():
                self.truth.over(play, play.expires, "expired")
            person.live, person.ghosts = {}, {}

    def start(self, person: Watcher, id: str, second: int) -> None:
        own, others = (
            person.live.get(id),
            [other for other in person.live if other != id],
        )
        replaced = others[:1] if self.random.random() < 0.1 else []
        level = len(others) - len(replaced)
        kind, limit, rule = (
            "took-over" if own else "admitted",
            person.plan.limit,
            "(none)",
        )
        small = [other for other in others if other in SMALL and other not in replaced]
        if not own and person.plan is FAMILY and id in SMALL and small:
            kind, level, rule = "denied", len(others), "one-small-screen"
        elif not own and level >= limit and person.when_full is WhenFull.DENY:
            kind, level = "denied", len(others)
        asked = Asked(
            id=id,
            stream_id="film",
            device_type=DEVICES[id],
            replace=dict.fromkeys(replaced),
        )
        if second >= SINCE:
            self.truth.active.add(person.name)
            self.truth.starts[kind] += 1
            self.truth.by_type[DEVICES[id] or "(none)", kind] += 1
            self.truth.by_plan[person.plan.name, kind] += 1
            self.truth.rules[rule] += kind == "denied"
            self.truth.levels[level] += not own
        if kind == "denied":
            with pytest.raises(StreamLimitReached):
                service.start(context(person, second), asked)
            return
        playing = service.start(context(person, second), asked)
        going = dict.fromkeys(replaced, "replaced")
        if not own and level >= limit:
            staying = [other for other in others if other not in replaced]
            oldest = sorted(staying, key=lambda other: person.live[other].started)
            going |= dict.fromkeys(oldest[: level - limit + 1], "evicted")
        going |= {id: "taken-over"} if own else {}
        for other, why in going.items():
            self.truth.over(person.live.pop(other), second, why)
        if ghost := person.ghosts.pop(id, None):
            self.truth.over(ghost, ghost.expires, "expired")
        person.live[id] = Watched(second, playing.token, second + LEASE_SECONDS, second)

    def beat(self, person: Watcher, id: str, second: int) -> None:
        play = person.live[id]
        play.token = service.renew(
            play.token, user_id=person.name, id=id, now=instant(second)
        ).token
        play.expires, play.beat = second + LEASE_SECONDS, second
        if second >= SINCE:
            self.truth.active.add(person.name)

    def revive(self, person: Watcher, id: str, second: int) -> None:
        play = person.ghosts.pop(id)
        try:
            play.token = service.renew(
                play.token, user_id=person.name, id=id, now=instant(second)
            ).token
        except (StreamEnded, StreamNotFound):
            self.truth.over(play, play.expires, "expired")
            return
        play.expires, play.beat, play.is_silent = second + LEASE_SECONDS, second, False
        person.live[id] = play
        if second >= SINCE:
            self.truth.active.add(person.name)

    def stop(self, person: Watcher, id: str, second: int) -> None:
        play = person.live.pop(id)
        service.stop(play.token, user_id=person.name, id=id, now=instant(second))
        self.truth.over(play, second, "stopped")

    def finish(self) -> None:
        for person in self.people:
            for play in [
                *person.ghosts.values(),
                *(play for play in person.live.values() if play.expires <= UNTIL),
            ]:
                if play.expires < UNTIL:
                    self.truth.over(play, play.expires, "expired")
                elif play.started >= SINCE:
                    self.truth.lengths.append(play.expires - play.started)


def instant(second: int) -> int:
    return BEGAN + second * 1000


def context(person: Watcher, second: int) -> Context:
    return Context(user_id=person.name, now=instant(second))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """An hour and a quarter of forty people, through the real service over the pure rule."""
    patch = pytest.MonkeyPatch()
    patch.setattr(service, "store", ModelStore(PLANS))
    patch.setattr(service.settings, "EVENT_SINKS", [f"{__name__}.tell"])  # type: ignore[attr-defined]
    told.clear()
    when_full = (WhenFull.DENY, WhenFull.EVICT_OLDEST)
    people = [
        Watcher(
            f"user-{number}",
            FAMILY if number % 2 else PLANS,
            when_full[number % 10 == 0],
        )
        for number in range(40)
    ]
    made = World(people, random.Random(18))
    for person in people:
        plan = "family" if person.plan is FAMILY else None
        service.set_limit(
            context(person, 0), plan=plan, limit=None, when_full=person.when_full
        )
    for second in range(1, UNTIL):
        made.live_through(second)
    made.finish()
    yield made
    patch.undo()


@pytest.fixture(scope="module")
def figures(world: World) -> dict[str, Figure]:
    return {
        figure.name: figure
        for figure in report(told, since=instant(SINCE), until=instant(UNTIL))
    }


def percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)


def test_the_population_meets_everything_that_is_counted(world: World) -> None:
    assert world.truth.endings.keys() == {
        "stopped",
        "expired",
        "evicted",
        "replaced",
        "taken-over",
    }
    assert (
        min(world.truth.starts[kind] for kind in ("admitted", "took-over", "denied"))
        > 50
    )
    assert min(world.truth.rules[rule] for rule in ("(none)", "one-small-screen")) > 20
    assert sum(event["kind"] == "revived" for event in told) > 10


def test_active_users_and_starts(world: World, figures: dict[str, Figure]) -> None:
    truth = world.truth
    assert figures["users"].rows == (("active users", len(truth.active)),)
    all_starts = truth.starts.total()
    assert figures["starts"].rows == tuple(
        (kind, truth.starts[kind], percent(truth.starts[kind], all_starts))
        for kind in ("admitted", "took-over", "denied")
    )
    assert dict(figures["denials_by_rule"].rows) == +truth.rules


@pytest.mark.parametrize("of", ["plan", "device_type"])
def test_starts_by_plan_and_by_device_type(
    world: World, figures: dict[str, Figure], of: str
) -> None:
    counts = world.truth.by_plan if of == "plan" else world.truth.by_type
    expected = []
    for name in sorted({name for name, _ in counts}):
        numbers = [counts[name, kind] for kind in ("admitted", "took-over", "denied")]
        expected.append((name, *numbers, percent(numbers[2], sum(numbers))))
    assert figures[f"starts_by_{of}"].rows == tuple(expected)


def test_how_long_playbacks_last(world: World, figures: dict[str, Figure]) -> None:
    def said(seconds: int) -> str:
        bounds = (60, 300, 900, 1800, 3600, 7200, 14_400)
        return LENGTHS_SAID[sum(seconds >= bound for bound in bounds)]

    counts = Counter(map(said, world.truth.lengths))
    assert figures["durations"].rows == tuple(
        (name, counts[name]) for name in LENGTHS_SAID
    )


def test_how_many_at_once(world: World, figures: dict[str, Figure]) -> None:
    seconds: Counter[int] = sum((person.at_level for person in world.people), Counter())
    assert figures["concurrency"].rows == tuple(
        (str(level), round(seconds[level] / 3600, 3)) for level in sorted(seconds)
    )
    peaks = Counter(max(person.at_level) for person in world.people if person.at_level)
    assert figures["peaks"].rows == tuple(
        (str(level), peaks[level]) for level in sorted(peaks)
    )


def test_what_another_limit_would_have_denied(
    world: World, figures: dict[str, Figure]
) -> None:
    levels = world.truth.levels
    assert figures["other_limits"].rows == tuple(
        (str(limit), denied, percent(denied, levels.total()))
        for limit in range(1, max(levels) + 2)
        for denied in [sum(levels[level] for level in levels if level >= limit)]
    )
    assert figures["other_limits"].rows[-1][1] == 0


def test_how_playbacks_end_and_how_many_are_ghosts(
    world: World, figures: dict[str, Figure]
) -> None:
    over = world.truth.endings
    assert (
        Counter({str(why): number for why, number, _ in figures["endings"].rows})
        == over
    )
    assert {str(why): share for why, _, share in figures["endings"].rows} == {
        why: percent(number, over.total()) for why, number in over.items()
    }


def test_what_the_shadow_plans_would_have_decided_is_there_where_it_was_told() -> None:
    def made(kind: str, second: int, **facts: Any) -> dict[str, Any]:
        return {"v": 1, "kind": kind, "at": instant(second), "user": "ana", **facts}

    events = [
        made("shadow-denied", 1, plan="family"),
        made("shadow-denied", 2, plan="family"),
        made("forgotten", 3),
    ]
    found = {
        figure.name: figure.rows
        for figure in report(events, since=instant(0), until=instant(9))
    }
    assert found["shadow"] == (("denied, plan family", 2),)
    assert found["others"] == (("forgotten", 1),)
    assert "shadow" not in {
        figure.name for figure in report([], since=instant(0), until=instant(9))
    }


def test_a_denial_by_a_rule_counts_all_streams_that_were_live() -> None:
    def made(kind: str, second: int, id: str, **facts: Any) -> dict[str, Any]:
        return {
            "v": 1,
            "kind": kind,
            "at": instant(second),
            "user": "ana",
            "id": id,
            **facts,
        }

    events = [
        made("admitted", 0, "tv", expiresAt=instant(60)),
        made("admitted", 1, "phone", expiresAt=instant(60)),
        made("denied", 2, "web", rule="one-per-title", limit=1, held=1, holders=[]),
    ]
    found = {
        figure.name: figure.rows
        for figure in report(events, since=instant(0), until=instant(9))
    }
    assert found["denials_by_rule"] == (("one-per-title", 1),)
    assert [row[:2] for row in found["other_limits"]] == [("1", 2), ("2", 1), ("3", 0)]


def test_each_figure_says_what_it_counts(figures: dict[str, Figure]) -> None:
    shown = list(figures.values())
    page = paper.html(
        shown, since=instant(SINCE), until=instant(UNTIL), source="", sample=20
    )
    assert all(escape(figure.definition) in page for figure in shown)
    assert page.count("<svg") == len(shown)
    assert "://" not in page, "no foreign hosts"
    assert "<script" not in page
    assert "One heartbeat in 20" in page
    words = " ".join(paper.text(shown).split())
    assert all(figure.title in words and figure.definition in words for figure in shown)
    numbers = paper.as_csv(shown).splitlines()
    assert numbers[:2] == [
        "figure,row,column,number",
        f"users,active users,users,{figures['users'].rows[0][1]}",
    ]
    assert len(numbers) == 1 + sum(
        len(figure.rows) * (len(figure.columns) - 1) for figure in shown
    )
