"""A time-line as sentences."""

from insights.narrative import narrative
from tests.unit.insights.builders import AT, FULL, denied, event, timeline_of


def test_a_time_line_in_sentences() -> None:
    line = timeline_of(
        *FULL[:2],
        denied(
            10,
            "web",
            ("tv", 60),
            ("phone", 61),
            deviceType="browser",
            rule="two",
            plan="family",
            request="r-1",
        ),
        event("stopped", 30, "phone", reason="stopped", by="player"),
        event("limit-set", 31, limit=5, by="key billing"),
        event("revived", 70, "tv"),
        event("unknown-plan", 80, "x"),
        until=100,
    )
    assert list(narrative(line)) == [
        "08:00:00  tv started, lease until 08:02:10",
        "08:00:01  phone started, until 08:00:30",
        "08:00:10  web (browser) was denied: 2 of 2 slots were held",
        "          rule: two, plan: family",
        "          - tv, since 08:00:00, lease until 08:01:00",
        "          - phone, since 08:00:01, lease until 08:01:01",
        "          request r-1",
        "08:00:30  phone was over: stopped",
        "08:00:31  the limit was set to 5 by key billing",
        "08:01:10  tv was back after its lease had ended",
        "08:01:20  unknown-plan",
    ]


def test_a_start_by_a_grace_lease_is_described_once() -> None:
    line = timeline_of(event("grace-started", 10, "phone", expiresAt=AT + 70_000))
    sentences = list(narrative(line))

    assert (
        "08:00:10  phone started by a grace lease: DynamoDB did not answer" in sentences
    )
    assert not any("phone started, until" in sentence for sentence in sentences)


def test_a_device_with_a_name_is_called_by_it() -> None:
    line = timeline_of(
        event("admitted", 0, "a1", deviceType="tv", deviceName="Living room"),
        denied(10, "b2", ("a1", 60), limit=1, deviceName="Ana's phone"),
    )
    sentences = list(narrative(line))

    assert sentences[0].startswith("08:00:00  Living room (a1, tv) started")
    assert "Ana's phone (b2) was denied" in sentences[1]
    assert line.labels == {"a1": "Living room", "b2": "Ana's phone"}


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    assert list(narrative(timeline_of(event("a {new} kind", 0, "tv")))) == [
        "08:00:00  a {new} kind"
    ]


def test_a_denial_names_the_number_of_holders_that_its_event_leaves_out() -> None:
    line = timeline_of(denied(10, "web", ("tv", 60), limit=4) | {"held": 4})
    sentences = [sentence.strip() for sentence in narrative(line)]

    assert "- and 3 more" in sentences
