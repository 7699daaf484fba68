"""`make load`: the planner's mix at a constant rate, to this machine unless somebody says otherwise."""

import json
import os
import subprocess
import sys

import pytest

from bench.mix import PLANNED, Seen, arguments, shares
from capacity.demand import Demand, ItemSizes
from capacity.players import Players
from tests.servers import PROJECT


def test_the_mix_is_the_planners() -> None:
    population = Players(concurrent=1000, starts_per_hour=30, denial_share=0.2)
    demand, mix = (
        Demand(population, ItemSizes(bytes_of=lambda streams: 1, forgetting_share=0.3)),
        shares(population),
    )
    assert mix.keys() == PLANNED.keys()
    assert sum(mix.values()) == pytest.approx(1)
    planned = {
        verb.name: verb.per_second / demand.requests for verb in demand.request_kinds
    }
    assert mix["heartbeat"] == pytest.approx(planned["heartbeat"])
    assert mix["denial"] == pytest.approx(planned["denial"])
    assert mix["stop"] == pytest.approx(
        planned["stop"] + planned["stop that drops old endings"]
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost/test/", "http://[::1]:8000"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    assert arguments([url]).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["https://streams.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"],
)
def test_another_machine_is_loaded_only_when_it_is_meant(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments([url])
    assert (
        "is not this machine. If it is yours to load, say so: --yes-this-host"
        in capsys.readouterr().err
    )
    assert arguments([url, "--yes-this-host"]).url == url


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["http://127.0.0.1", "--rate", "0"],
        ["http://127.0.0.1", "--seconds", "0"],
    ],
)
def test_what_cannot_be_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)


def test_refusals_are_told_by_verb_and_kind() -> None:
    seen = Seen()
    for number in range(1, 101):
        seen.note("heartbeat", float(number), 200, "")
    seen.note("denial", 5.0, 409, "stream-limit-reached")
    assert seen.is_as_planned
    for _ in range(5):
        seen.note("start", 9.0, 429, "throttled")
    seen.note("stop", 9.0, None, "ConnectionRefusedError")
    assert not seen.is_as_planned
    said = seen.report(rate=50, seconds=2, planned=dict.fromkeys(PLANNED, 1 / 6))
    assert "5 × start: 429 throttled instead of 201" in said
    assert "1 × stop: no answer ConnectionRefusedError instead of 204" in said
    assert "53.5 answers a second, of 50 that were sent." in said
    assert [
        line.split() for line in said.splitlines() if line.startswith("heartbeat")
    ] == [["heartbeat", "100", "93.5%", "16.7%", "50.0", "95.0", "99.0", "100.0"]]


def test_players_come_are_answered_and_leave(server_url: str) -> None:
    words = [
        sys.executable,
        "-m",
        "bench.crowd",
        server_url,
        "--rate",
        "10",
        "--seconds",
        "2",
    ]
    done = subprocess.run(
        words,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of 10 that were sent." in done.stdout
    assert "No refusals but the denials that were planned." in done.stdout


def test_a_plan_needs_no_variable() -> None:
    words = [
        sys.executable,
        "manage.py",
        "plan_capacity",
        "--concurrent",
        "1000",
        "--json",
    ]
    done = subprocess.run(
        words,
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["toProvision"]["rate"] == 84
