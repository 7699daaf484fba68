"""`manage.py why` and `manage.py report`, from a file of events."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from streams.audit import user_in_logs

NOW = 1_795_894_980_123
"""Saturday, 2026-11-28, 19:43 UTC"""
COMMANDS = "insights.management.commands"


def event(kind: str, second: int, id: str, user: str = "ana", **fields: Any) -> str:
    at = NOW + second * 1000
    lease = {"expiresAt": at + 60_000} if kind == "admitted" else {}
    content = {
        "v": 1,
        "kind": kind,
        "at": at,
        "user": user_in_logs(user),
        "id": id,
    }
    return json.dumps(content | lease | fields)


LINES = [
    event("admitted", -90, "tv"),
    "START RequestId: c6af9ac6 Version: 7",
    event("admitted", -80, "b", user="bob"),
    event(
        "denied",
        -60,
        "web",
        limit=1,
        held=1,
        holders=[{"id": "tv", "expiresAt": NOW - 30_000}],
    ),
    '{"level": "INFO", "message": "not an event"}',
    event("stopped", -40, "tv", reason="stopped", by="player"),
]
FORMS: dict[str, Callable[[list[str]], str]] = {
    "lines": "\n".join,
    "aws logs get-query-results": lambda lines: json.dumps(
        {
            "results": [
                [{"field": "@message", "value": line}, {"field": "@ptr", "value": "x"}]
                for line in lines
            ]
        }
    ),
    "aws logs filter-log-events": lambda lines: json.dumps(
        {"events": [{"message": line} for line in lines]}
    ),
}


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("why", "report"):
        monkeypatch.setattr(f"{COMMANDS}.{command}.now", lambda: NOW)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "events"
    file.write_text("\n".join(LINES))

    return file


def output(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)

    return out.getvalue()


def why(file: Path, *arguments: str) -> str:
    return output("why", "ana", "--events", str(file), *arguments)


def report(file: Path, *arguments: str) -> str:
    return output("report", "--events", str(file), *arguments)


def report_as_json(file: Path, *arguments: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(report(file, "--json", *arguments))
    return content


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_events_are_read_from_a_file(
    file: Path, form: Callable[[list[str]], str]
) -> None:
    file.write_text(form(LINES))
    story = why(file)

    assert "web was denied: 1 of 1 slot was held" in story
    assert "possible from 19:42:20 on, when tv was over: stopped" in story
    assert "bob" not in story

    figures = report_as_json(file)["figures"]

    assert figures["starts"]["rows"] == [
        ["admitted", 2, 66.67],
        ["took-over", 0, 0],
        ["denied", 1, 33.33],
    ]


def test_a_minute_with_a_denial_is_shown_in_the_requested_zone(file: Path) -> None:
    story = why(file, "--at", "20:42", "--zone", "Europe/Madrid")

    assert "At 20:42:00 web was denied" in story
    assert "started" not in story
    assert "heartbeat" not in story


def test_a_minute_without_a_denial_says_who_played(file: Path) -> None:
    story = why(file, "--at", "20:40:45", "--zone", "Europe/Madrid", "--since", "1h")
    assert (
        "No start was denied within a minute of that. At 20:40:45 nothing played."
        in story
    )


def test_the_events_of_a_user_are_printed_one_per_line(file: Path) -> None:
    lines = why(file, "--json").splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["kind"] for event in events] == [
        "admitted",
        "denied",
        "stopped",
    ]


def test_sampled_heartbeats_make_ends_approximate(file: Path) -> None:
    renewed = event("renewed", -10, "tv", expiresAt=NOW, sample=20)
    lines = [*LINES, renewed]
    file.write_text("\n".join(lines))

    assert "One heartbeat in 20 was recorded" in why(file)


@pytest.mark.parametrize(
    ("starts", "sentence"),
    [
        (0, "0 starts were admitted and 1 denied."),
        (1, "1 start was admitted and 1 denied."),
        (2, "2 starts were admitted and 1 denied."),
    ],
)
def test_the_summary_counts_starts(file: Path, starts: int, sentence: str) -> None:
    ids = [str(number) for number in range(starts)]
    admitted = [event("admitted", -90, id) for id in ids]
    denial = LINES[3]
    file.write_text("\n".join([*admitted, denial]))

    assert sentence in why(file)


def test_a_report_is_printed_in_every_form(file: Path) -> None:
    assert report(file).startswith("From 2026-11-27 19:43 to 2026-11-28 19:43 UTC")
    assert report(file, "--csv").startswith("figure,row,column,number\n")
    assert report(file, "--html").startswith("<!doctype html>")
    content = report_as_json(file)
    assert content["to"] == "2026-11-28T19:43:00.124+00:00"


def test_a_device_type_with_a_line_separator_is_reported(file: Path) -> None:
    admitted = json.loads(event("admitted", -90, "tv", deviceType="smart\u2028tv"))
    line = json.dumps(admitted, ensure_ascii=False)
    file.write_text(line, encoding="utf-8")
    figures = report_as_json(file)["figures"]

    first_row = figures["starts_by_device_type"]["rows"][0]
    assert first_row[0] == "smart\u2028tv"
    assert "tv (smart\u2028tv) started" in why(file)


PRINTED = ["why", "report", "report --csv", "report --json", "report --html"]
UNENCODABLE = {"control characters": "\x1b[2J\x00\n", "a surrogate": "\ud800"}


@pytest.mark.parametrize("form", PRINTED)
@pytest.mark.parametrize("text", UNENCODABLE.values(), ids=UNENCODABLE)
def test_text_that_no_terminal_can_show_is_reported(
    file: Path, text: str, form: str
) -> None:
    names = {"deviceType": text, "plan": text, "by": text, "rule": text}
    file.write_text("\n".join([event("admitted", -90, "tv", **names), LINES[3]]))

    command, *options = form.split()
    printed = why(file) if command == "why" else report(file, *options)
    assert printed.encode()
    if not options:
        assert "\x1b" not in printed


def test_a_long_period_before_the_first_event_adds_no_time(file: Path) -> None:
    renewed = event("renewed", -90, "tv", expiresAt=NOW - 30_000)
    file.write_text(renewed)
    content = report_as_json(file, "--from", "1970-01-01")
    figures = content["figures"]

    assert figures["concurrency"]["rows"] == [["1", 0.017]]


REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("why", "ana", "--at", "noon"), "'noon' is not a time: write 20:03"),
    (("why", "ana", "--at", "0001-01-01"), "is out of range"),
    (("why", "ana", "--at", "9999-12-31"), "is out of range"),
    (("why", "ana", "--since", "99999999d"), "is too long: write at most 36500d"),
    (("why", "ana", "--since", "9" * 99 + "h"), "is not a duration"),
    (("why", "ana", "--zone", "Mars"), "is not a time zone"),
    (("why", "ana", "--events", "/none"), "/none cannot be read"),
    (("why", "ana", "--stage", "moon"), "zappa_settings.json has no stage 'moon'"),
    (("report", "--from", "0001-01-01"), "is out of range"),
    (("report", "--from", "9999-12-31", "--to", "9999-12-31"), "is out of range"),
    (("report", "--to", "1960-01-01"), "is out of range"),
    (("report", "--from", "2026-99-99"), "is not a time"),
    (
        ("report", "--from", "2026-11-28", "--to", "2026-11-27"),
        "--from must be before --to",
    ),
]


@pytest.mark.parametrize(
    ("arguments", "message"), REFUSED, ids=[" ".join(row[0])[:50] for row in REFUSED]
)
def test_an_invalid_argument_is_refused_with_the_remedy(
    arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message) as refusal:
        output(*arguments)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("since", ["1s", "36500d"])
def test_the_shortest_and_the_longest_duration_are_accepted(
    file: Path, since: str
) -> None:
    assert why(file, "--since", since)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak", "Asia/Kolkata"])
def test_the_whole_range_of_times_is_accepted(file: Path, zone: str) -> None:
    arguments = ("--from", "1970-01-02", "--to", "2999-12-30", "--zone", zone)
    for form in ("--json", "--csv", "--html"):
        assert report(file, *arguments, form)

    assert report(file, *arguments)


def test_a_file_that_is_not_text_is_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="cannot be read"):
        report(file)
