"""Plans on a real engine: races break no rule, and starts below it are one write."""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from streams.errors import StreamLimitReached
from streams.models import UserStreams
from streams.rules import Account, Reason, Rule, WhenFull
from streams.storage.store import StreamStore
from tests.builders import LEASE_MS, NOW, asking, changed, fill, held, plans_of
from tests.concurrency import hammer
from tests.dynamodb_clients import Calls
from tests.outcomes import outcome

pytestmark = pytest.mark.engine

BIG = Rule(
    name="two-big-screens",
    where={"deviceType": ("tv",)},
    limit=2,
)
TITLE = Rule(name="one-per-title", per="streamId", limit=1)
HOMES = Rule(name="two-networks", distinct="network", limit=2)
FAMILY = plans_of(
    name="family",
    limit=4,
    lease_ms=LEASE_MS,
    rules=(BIG, TITLE, HOMES),
)
DEFAULT = plans_of(limit=3, lease_ms=LEASE_MS, named={"family": FAMILY})


@pytest.fixture
def store(calls: Calls) -> StreamStore:
    return StreamStore(
        plans=DEFAULT,
        call=calls,
        sleep=lambda seconds: None,
    )


def stream(
    id: str,
    kind: str = "phone",
    *,
    film: str | None = None,
    network: str = "home",
    **more: Any,
) -> Any:
    return asking(
        id,
        stream_id=film or f"film of {id}",
        device_type=kind,
        network=network,
        **more,
    )


def worst(accounts: list[Account]) -> dict[str, int]:
    """Return the highest count of each rule, counted without the rule."""
    lives = [account.live(NOW) for account in accounts]
    networks = [{lease.network for lease in live} for live in lives]
    return {
        "streams": max(len(live) for live in lives),
        "big screens": max(
            sum(lease.device_type == "tv" for lease in live) for live in lives
        ),
        "of a title": max(
            max(
                Counter(lease.stream_id for lease in live).values(),
                default=0,
            )
            for live in lives
        ),
        "networks": max(map(len, networks)),
    }


@pytest.mark.parametrize("threads", [16, 64])
@pytest.mark.parametrize("when_full", list(WhenFull))
def test_mixed_concurrent_starts_never_break_a_rule(
    user_id: str, when_full: WhenFull, threads: int
) -> None:
    plan = changed(FAMILY, when_full=when_full)
    store = StreamStore(plans=changed(DEFAULT, named={"family": plan}))
    users = [f"{user_id}-{number}" for number in range(4)]
    for user in users:
        store.set_limit(user, plan="family", now=NOW)

    seen: list[Account] = []

    def play(user: str, seed: int) -> None:
        dice = random.Random(seed)
        start = stream(
            f"device{dice.randrange(12)}",
            dice.choice(["tv", "phone"]),
            film=dice.choice(["one", "two", "three", "four", "five"]),
            network=dice.choice(["home", "work", "hotel"]),
        )
        try:
            hold = held(store.start(user, start, now=NOW).lease)
        finally:
            seen.append(store.read(user, now=NOW))

        if dice.random() < 0.3:
            store.stop(user, start.id, hold=hold, now=NOW + 1)

    hammer(
        [partial(play, user, seed) for seed in range(32) for user in users],
        threads=threads,
    )
    found = worst(seen)

    assert found["streams"] <= 4
    assert found["big screens"] <= 2
    assert found["of a title"] <= 1
    assert found["networks"] <= 2


def test_two_of_sixty_four_concurrent_televisions_are_admitted(
    user_id: str,
) -> None:
    plans = changed(FAMILY, limit=64, rules=(BIG,), name="default")
    store = StreamStore(plans=plans)
    outcomes = hammer(
        [
            partial(
                store.start,
                user_id,
                stream(f"s{number}", "tv"),
                now=NOW,
            )
            for number in range(64)
        ]
    )

    assert outcomes["done"] == 2
    account = store.read(user_id, now=NOW)
    assert len(account.live(NOW)) == 2


STARTED = {"a": "tv", "b": "phone"}
COSTS: dict[str, tuple[Any, int]] = {
    "below every rule that counts it": (
        stream("c", "phone"),
        1,
    ),
    "at a rule, and admitted": (stream("c", "tv"), 2),
    "at a rule, and denied": (
        stream("c", "tv", film="film of a"),
        1,
    ),
    "the same device, all as before": (
        stream("a", "tv"),
        1,
    ),
    "the same device, another title": (
        stream("a", "tv", film="another"),
        2,
    ),
    "in another's place": (
        stream("c", "phone", replace=("a",)),
        2,
    ),
}


@pytest.mark.parametrize("case", COSTS)
def test_a_start_is_one_call_below_its_rules_and_two_at_their_limit(
    store: StreamStore,
    calls: Calls,
    user_id: str,
    case: str,
) -> None:
    plan = changed(
        FAMILY,
        limit=5,
        rules=(
            replace(BIG, limit=2),
            replace(
                TITLE,
                limit=1,
                where={"deviceType": ("tv",)},
            ),
        ),
    )
    store = replace(
        store,
        plans=changed(DEFAULT, named={"family": plan}),
    )
    store.set_limit(user_id, plan="family", now=NOW)
    for id, kind in STARTED.items():
        store.start(user_id, stream(id, kind), now=NOW)

    calls.made.clear()
    start, expected = COSTS[case]
    later = replace(start, epoch=start.epoch + 1)
    came = outcome(lambda: store.start(user_id, later, now=NOW + 1))
    if case.endswith("denied"):
        assert came[1:4] == (
            5,
            "family",
            plan.default.rules[1],
        )

    assert calls.operations == ["UpdateItem"] * expected


@pytest.mark.parametrize(
    ("setting", "granted"),
    [
        ({}, {}),
        ({"plan": "default"}, {}),
        ({"limit": 2}, {}),
        ({"plan": "family"}, {}),
        ({}, {"plan": "family"}),
    ],
    ids=[
        "the default",
        "the default, stored",
        "a limit",
        "a plan, stored",
        "a plan, by the token",
    ],
)
def test_a_start_is_one_call_under_any_plan(
    store: StreamStore,
    calls: Calls,
    user_id: str,
    setting: dict[str, Any],
    granted: dict[str, Any],
) -> None:
    store.set_limit(user_id, limit=1, now=NOW)
    store.set_limit(user_id, **setting, now=NOW)
    calls.made.clear()
    store.start(user_id, stream("a", **granted), now=NOW)

    assert calls.operations == ["UpdateItem"]


@pytest.mark.parametrize("replaced", [0, 20, 100])
def test_a_condition_stays_within_dynamodbs_limit_for_any_number_of_plans(
    user_id: str, replaced: int
) -> None:
    sizes: list[int] = []

    def measured(operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        sizes.append(len(arguments.get("ConditionExpression", "")))
        return UserStreams.call(operation, arguments)

    metadata = {f"{number}" * 24: "x" for number in range(8)}
    rules = list(FAMILY.default.rules)
    for name in metadata:
        rule = Rule(name=name, per=f"metadata.{name}", limit=2)
        rules.append(rule)

    plan = changed(FAMILY, rules=tuple(rules))
    names = [f"plan-{number}" for number in range(100)]
    plans = {name: changed(plan, name=name) for name in names}
    store = StreamStore(plans=changed(plan, named=plans), call=measured)
    store.set_limit(user_id, plan="plan-99", now=NOW)
    others = [f"other{number}" for number in range(replaced)]
    store.start(
        user_id,
        stream(
            "a",
            device_id="a",
            metadata=metadata,
            replace=others,
        ),
        now=NOW,
    )

    assert max(sizes) < 4096


def test_a_plan_that_no_longer_exists_is_the_default_and_its_start_is_judged(
    store: StreamStore, calls: Calls, user_id: str
) -> None:
    store.set_limit(user_id, plan="forgotten", now=NOW)
    calls.made.clear()
    admission = store.start(user_id, stream("a", "tv"), now=NOW)
    before = admission.before

    assert before is not None
    assert (before.plan, calls.operations) == (
        "forgotten",
        ["UpdateItem", "UpdateItem"],
    )


def test_a_shadow_costs_no_call(user_id: str) -> None:
    counted = []
    for is_shadowed in (False, True):
        calls = Calls()
        store = StreamStore(
            plans=DEFAULT,
            call=calls,
            is_shadowed=is_shadowed,
        )
        user = f"{user_id}-{is_shadowed}"
        admissions = [
            store.start(
                user,
                asking(f"s{number}"),
                now=NOW + number,
            )
            for number in range(3)
        ]
        assert [admission.before is not None for admission in admissions[1:]] == [
            is_shadowed
        ] * 2
        with pytest.raises(StreamLimitReached) as refused:
            store.start(user, asking("s3"), now=NOW + 3)
        assert len(refused.value.before.leases) == 3
        counted.append(calls.operations)

    assert counted[0] == counted[1]


@pytest.mark.parametrize(
    ("verb", "operations"),
    [
        ("first", ["GetItem", "UpdateItem"]),
        ("again", ["GetItem"]),
        ("resume", ["UpdateItem", "UpdateItem"]),
    ],
)
def test_a_pause_costs_a_read_and_a_repeat_of_it_no_write(
    calls: Calls,
    user_id: str,
    verb: str,
    operations: list[str],
) -> None:
    store = StreamStore(
        plans=changed(DEFAULT, paused_ms=10 * LEASE_MS),
        call=calls,
    )
    hold = fill(store, user_id, "a")["a"]
    if verb != "first":
        hold = held(
            store.renew(
                user_id,
                "a",
                hold=hold,
                now=NOW + 1,
                is_paused=True,
            )
        )
    calls.made.clear()
    lease = store.renew(
        user_id,
        "a",
        hold=hold,
        now=NOW + 2,
        is_paused=verb != "resume",
    )

    assert calls.operations == operations
    assert bool(lease.paused_at) is (verb != "resume")


def test_relaxed_heartbeats_are_one_call_each(calls: Calls, user_id: str) -> None:
    store = StreamStore(
        plans=plans_of(
            limit=4,
            lease_ms=LEASE_MS,
            relaxed_lease_ms=5 * LEASE_MS,
        ),
        call=calls,
    )
    lease = store.start(user_id, asking("a"), now=NOW).lease
    calls.made.clear()
    for beat in range(1, 5):
        now = NOW + beat * LEASE_MS // 3
        lease = store.renew(user_id, "a", hold=held(lease), now=now)
        assert lease.expires_at == now + 5 * LEASE_MS

    assert calls.operations == ["UpdateItem"] * 4


def test_a_suspension_is_one_write_and_survives_the_item(
    store: StreamStore, user_id: str
) -> None:
    fill(store, user_id, "a", "b")
    store.set_limit(user_id, limit=0, end_surplus=True, now=NOW + 10)
    account = store.read(user_id, now=NOW + 10)

    assert account.leases == {}
    reasons = {ending.reason for ending in account.ended.values()}
    assert reasons == {Reason.SUSPENDED}
