"""Random plans, starts and ids for Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from streams.rules import Plan, Rule, WhenFull

LEASE_MS = 10_000
IDS = st.sampled_from(["tv", "phone", "tablet", "B", "a.b:c@d"])
WHEN_FULL = st.sampled_from(WhenFull)
PLANS = ["small", "forgotten", None]
ATTRIBUTES = st.sampled_from(["streamId", "deviceType", "network", "metadata.kids"])

WHERE = st.sampled_from(
    [
        {},
        {"deviceType": ("tv",)},
        {"metadata.kids": (True, 2)},
        {"streamId": ("one",)},
    ]
)
PLAIN_RULES = st.builds(
    Rule,
    name=st.sampled_from(["first", "second"]),
    limit=st.integers(0, 3),
    where=WHERE,
)
PER_RULES = st.builds(
    Rule,
    name=st.just("values"),
    limit=st.integers(1, 3),
    per=ATTRIBUTES,
)
DISTINCT_RULES = st.builds(
    Rule,
    name=st.just("values"),
    limit=st.integers(1, 3),
    distinct=ATTRIBUTES,
)
RULES = PLAIN_RULES | PER_RULES | DISTINCT_RULES

FIELDS = st.fixed_dictionaries(
    {
        "stream_id": st.sampled_from(["one", "two"]),
        "device_type": st.sampled_from(["tv", "phone", None]),
        "network": st.sampled_from(["here", "there", "far"]),
        "metadata": st.sampled_from(
            [
                {},
                {"kids": True},
                {"kids": 1},
                {"kids": 2.0},
            ]
        ),
    }
)


def any_plan(**fields: Any) -> st.SearchStrategy[Plan]:
    """Return a strategy for plans of any kind, half of them without rules."""
    some_rules = st.lists(RULES, max_size=2).map(tuple)
    return st.builds(
        Plan,
        limit=st.integers(0, 4),
        lease_ms=st.sampled_from([LEASE_MS, LEASE_MS, LEASE_MS // 2]),
        when_full=WHEN_FULL,
        rules=st.just(()) | some_rules,
        relaxed_lease_ms=st.none() | st.just(3 * LEASE_MS),
        paused_ms=st.none() | st.just(4 * LEASE_MS),
        **{name: st.just(value) for name, value in fields.items()},
    )
