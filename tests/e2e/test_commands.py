"""`manage.py streams` and `manage.py limit`: as people and programs run them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from streams import service
from streams.management.commands.streams import in_words
from tests.dynamodb_clients import unreachable
from tests.e2e.test_local_server import (
    environment,
    state,
    wait_until_the_engine_is_gone,
)
from tests.servers import PROJECT, running, runserver
from tests.viewer import Viewer

__all__ = [
    "environment",
    "state",
]  # fixtures: a machine on which no DynamoDB is configured


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def answered(*words: str) -> Any:
    return json.loads(said(*words, "--json"))


def manage(
    environment: dict[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def without_clocks(body: Any) -> Any:
    """Return what two consecutive reads have in common."""
    for stream in body["streams"]:
        del stream["leaseSeconds"], stream["heartbeatSeconds"]
    return body


def test_a_person_sees_who_holds_the_slots(viewer: Viewer) -> None:
    viewer.started(
        "456", deviceId="tv", deviceName="Living room TV", title="The Great Escape"
    )
    viewer.started("7", deviceId="phone")
    lines = said("streams", "list", viewer.user_id).splitlines()
    assert lines[0] == f"{viewer.user_id} uses 2 of 3 slots."
    assert lines[2].split() == [
        "ID",
        "TITLE",
        "DEVICE",
        "CONTENT",
        "STARTED",
        "LEASE",
        "EXPIRES",
    ]
    assert lines[3].startswith(
        "tv     The Great Escape  Living room TV  456      0 s ago  in "
    )
    assert lines[4].startswith(
        "phone  -                 phone           7        0 s ago  in "
    )


def test_a_user_without_streams_has_no_table(user_id: str) -> None:
    assert said("streams", "list", user_id) == f"{user_id} uses 0 of 3 slots.\n"


def test_a_program_gets_the_bodies_of_the_api(viewer: Viewer) -> None:
    viewer.started("456", deviceId="tv")
    assert without_clocks(
        answered("streams", "list", viewer.user_id)
    ) == without_clocks(viewer.list())
    url = f"/users/{viewer.user_id}/limit"
    assert answered("limit", "show", viewer.user_id) == viewer.api.get(url).json()
    set_ = answered("limit", "set", viewer.user_id, "5", "--when-full", "evict-oldest")
    assert (
        set_
        == viewer.api.get(url).json()
        == viewer.api.put(url, json={"limit": 5, "whenFull": "evict-oldest"}).json()
    )
    assert said("limit", "clear", viewer.user_id, "--json") == "", "a 204 has no body"
    assert viewer.api.get(url).json()["isDefault"] is True


def test_an_ended_stream_is_over_for_its_player(viewer: Viewer) -> None:
    token = viewer.started("456", deviceId="tv")["token"]
    expected = f"The stream tv of {viewer.user_id} has ended.\n"
    assert [
        said("streams", "end", viewer.user_id, "tv", "--yes") for _ in range(2)
    ] == [expected] * 2, "harmless when repeated"
    assert viewer.heartbeat("tv", token).json()["reason"] == "stopped"


def test_a_limit_says_who_set_it(user_id: str) -> None:
    assert said("limit", "show", user_id).split()[-4:] == [
        "3",
        "deny",
        "the",
        "default",
    ]
    assert said("limit", "set", user_id, "5").split()[-4:] == [
        "5",
        "deny",
        "an",
        "operator",
    ]
    assert (
        said("limit", "clear", user_id) == f"The default limit applies to {user_id}.\n"
    )
    assert said("limit", "show", user_id).split()[-4:] == [
        "3",
        "deny",
        "the",
        "default",
    ]


REFUSED = {
    "a bad user": (
        ("streams", "list", "x" * 2049),
        "userId: Must have 1 to 2048 bytes.",
    ),
    "a bad id": (
        ("streams", "end", "ana", ".."),
        "id: Must have 1 to 128 of the characters",
    ),
    "an unknown stream": (
        ("streams", "end", "nobody", "tv", "--yes"),
        "List the live streams: manage.py streams list nobody",
    ),
    "a limit too high": (
        ("limit", "set", "ana", "101"),
        "limit: Ensure this value is less than or equal to 100.",
    ),
    "a limit that is none": (
        ("limit", "set", "ana", "five"),
        "argument LIMIT: invalid int value: 'five'",
    ),
    "another way to be full": (
        ("limit", "set", "ana", "5", "--when-full", "explode"),
        "invalid choice: 'explode'",
    ),
    "no action": (("streams",), "ACTION"),
}


@pytest.mark.parametrize(("words", "why"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_says_what_is_wrong(words: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why.replace(".", r"\.")):
        said(*words)


@pytest.mark.parametrize(
    "words",
    [("streams", "list", "ana"), ("limit", "set", "ana", "5")],
    ids=["read", "write"],
)
def test_without_dynamodb_the_refusal_says_what_to_check(
    monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(service, "store", replace(service.store, call=unreachable()))
    with pytest.raises(
        CommandError,
        match=r"(The database|The store) .*\n.+\nCheck DYNAMODB_ENDPOINT, or",
    ):
        said(*words)


def test_an_operator_ends_all_streams_but_one(viewer: Viewer) -> None:
    for device in ("tv", "phone", "web"):
        viewer.started(deviceId=device)
    assert answered(
        "streams", "clear", viewer.user_id, "--except", "phone", "--yes"
    ) == {"ended": ["tv", "web"]}
    assert (
        said("streams", "clear", viewer.user_id, "--yes")
        == f"Ended streams of {viewer.user_id}: phone.\n"
    )
    assert viewer.list()["active"] == 0


@pytest.mark.parametrize(
    "user_id",
    ["https://id.example.com/users/7", "CN=Jo Bloggs,OU=x", "名", "jo+tag@example.com"],
)
def test_an_operator_reaches_users_of_any_name(user_id: str) -> None:
    assert said("streams", "list", user_id) == f"{user_id} uses 0 of 3 slots.\n"


def test_an_operator_has_a_user_forgotten(viewer: Viewer) -> None:
    viewer.limit(1)
    viewer.started(deviceId="tv")
    assert (
        said("streams", "forget", viewer.user_id, "--yes")
        == f"All data of {viewer.user_id} was erased.\n"
    )
    assert viewer.read("tv").json()["type"] == "stream-not-found"
    assert viewer.list()["limit"] == 3


def test_a_program_gets_the_problem_of_the_api_too(
    viewer: Viewer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError):
        call_command("streams", "end", viewer.user_id, "tv", "--yes", "--json")
    assert json.loads(capsys.readouterr().out) == viewer.end("tv").json()


def test_a_refusal_in_a_terminal_is_a_failure_without_a_traceback(
    environment: dict[str, str],
) -> None:
    for words, why in (REFUSED["an unknown stream"], REFUSED["a limit that is none"]):
        done = manage(environment, *words)
        assert done.returncode != 0
        assert why in done.stderr
        assert "Traceback" not in done.stderr


def test_commands_work_beside_a_running_server(environment: dict[str, str]) -> None:
    with running(runserver(), environment) as server, server.client() as client:
        assert (
            "user2 uses 3 of 3 slots."
            in manage(environment, "streams", "list", "user2").stdout
        )
        assert (
            manage(
                environment, "streams", "end", "user2", "demo-tv", "--yes"
            ).returncode
            == 0
        )
        assert Viewer(client, "user2").list()["active"] == 2


def test_without_a_server_commands_start_the_engine_and_keep_its_state(
    environment: dict[str, str], state: Path
) -> None:
    assert manage(environment, "limit", "set", "ana", "5").returncode == 0
    assert (
        json.loads(manage(environment, "limit", "show", "ana", "--json").stdout)[
            "limit"
        ]
        == 5
    )
    wait_until_the_engine_is_gone(state)


def test_a_server_started_beside_a_command_outlives_it(
    environment: dict[str, str],
) -> None:
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        commands = [
            pool.submit(manage, environment, "limit", "set", f"user-{n}", "5")
            for n in range(3)
        ]
        server = stack.enter_context(running(runserver(), environment))
        assert [command.result().returncode for command in commands] == [0, 0, 0]
        with server.client() as client:
            limits = [
                client.get(f"/users/user-{n}/limit").json()["limit"] for n in range(3)
            ]
        assert limits == [5, 5, 5]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h")],
)
def test_lengths_of_time_read_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_file_of_plans_is_explained_in_words() -> None:
    words = said("plans", "check", str(PROJECT / "docs" / "plans" / "family.toml"))
    assert (
        "family: 4 concurrent streams. When full, further starts are denied." in words
    )
    assert (
        "two-big-screens: at most 2 concurrent streams where "
        'deviceType is "tv" or "console".' in words
    )
    assert "two-networks: at most 2 different values of network among streams." in words


def test_a_file_of_plans_is_tried_on_the_streams_of_a_user(
    viewer: Viewer, tmp_path: Path
) -> None:
    for device in ("tv", "phone"):
        viewer.started("film", deviceId=device, deviceType=device)
    file = tmp_path / "plans.toml"
    file.write_text(
        "[default]\nlimit = 4\n[[default.rules]]\n"
        'name = "one"\nper = "streamId"\nlimit = 1\n'
    )
    tried = answered("plans", "try", str(file), "--user", viewer.user_id)
    assert tried == {
        "plan": "default",
        "limit": 4,
        "plays": ["tv"],
        "refused": {"phone": "one"},
    }
    lines = said("plans", "try", str(file), "--user", viewer.user_id).splitlines()
    assert (
        lines[0] == f"{viewer.user_id} has the plan default. "
        "1 stream would play, with a limit of 4."
    )
    assert lines[-1].split() == ["phone", "phone", "film", "denied:", "one"]
    assert len(viewer.list()["streams"]) == 2, "nothing has changed"


def test_shadow_plans_are_compared_from_events(tmp_path: Path) -> None:
    events = [
        {"kind": kind}
        for kind in ("admitted", "admitted", "took-over", "denied", "renewed")
    ]
    events += [{"kind": "shadow-denied", "plan": "family", "rule": "one"}] * 2
    events += [{"kind": "shadow-admitted", "plan": "family"}]
    log = tmp_path / "events.log"
    log.write_text(
        "\n".join(
            [
                "START",
                *(f"2026-11-28 {json.dumps(event)}" for event in events),
                '{"no": 1}',
                "{",
            ]
        )
    )
    lines = said("plans", "compare", str(log)).splitlines()
    assert lines[0] == "The shadow plans would have decided 3 of 4 starts differently."
    assert [line.split() for line in lines[3:]] == [
        ["denied", "family", "one", "2", "50.0", "%"],
        ["admitted", "family", "-", "1", "25.0", "%"],
    ]


def test_every_readable_line_of_shadow_plans_is_compared(tmp_path: Path) -> None:
    lines = [
        {"kind": "shadow-denied", "plan": "big\u2028screens", "rule": "\x1b[2J"},
        {"kind": "shadow-denied", "plan": ["family"], "rule": {}},
        {"kind": "shadow-denied", "plan": None, "rule": "\ud800"},
    ]
    log = tmp_path / "events.log"
    log.write_text(
        "\n".join(
            [
                json.dumps(lines[0], ensure_ascii=False),
                *map(json.dumps, lines[1:]),
                "[" * 9999,
            ]
        )
    )
    text = said("plans", "compare", str(log))
    assert text.startswith("The shadow plans would have decided 2 of 0 starts")
    assert r"\x1b[2J" in text
    assert r"\ud800" in text


def test_a_file_that_is_no_plan_is_refused_with_what_to_write(tmp_path: Path) -> None:
    file = tmp_path / "plans.toml"
    file.write_text("[family]\nlimit = 400\n")
    with pytest.raises(
        CommandError,
        match=r"line 2: plan family: limit is 400. Write an integer from 0 to 100",
    ):
        said("plans", "check", str(file))
