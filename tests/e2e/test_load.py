"""`make load`: the estimate's mix at a constant rate, by default to this machine."""

import json
import os
import subprocess
import sys

import pytest

from bench.mix import PLANNED, Answers, arguments, shares
from capacity.demand import Demand, ItemSizes
from capacity.players import Players
from tests.servers import PROJECT, free_port


def run(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's folder with an empty environment."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def test_the_mix_has_the_shares_of_the_estimate() -> None:
    population = Players(concurrent=1000, starts_per_hour=30, denial_share=0.2)
    sizes = ItemSizes(bytes_of=lambda streams: 1, forgetting_share=0.3)
    demand = Demand(population, sizes)
    mix = shares(population)
    assert mix.keys() == PLANNED.keys()
    assert sum(mix.values()) == pytest.approx(1)

    planned = {
        kind.name: kind.per_second / demand.requests for kind in demand.request_kinds
    }
    assert mix["heartbeat"] == pytest.approx(planned["heartbeat"])
    assert mix["denial"] == pytest.approx(planned["denial"])
    assert mix["stop"] == pytest.approx(
        planned["stop"] + planned["stop that drops old endings"]
    )


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000", "http://localhost/test/", "http://[::1]:8000"],
    ids=["IPv4", "localhost", "IPv6"],
)
def test_this_machine_needs_no_confirmation(url: str) -> None:
    assert arguments([url]).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["https://streams.example.com", "http://127.0.0.1.example.com", "http://10.0.0.1"],
    ids=["a host", "a host that begins like loopback", "another address"],
)
def test_another_machine_needs_a_confirmation(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments([url])
    message = "is not this machine. Add --yes-this-host if you may load it."
    assert message in capsys.readouterr().err
    assert arguments([url, "--yes-this-host"]).url == url


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["http://127.0.0.1", "--rate", "0"],
        ["http://127.0.0.1", "--seconds", "0"],
    ],
    ids=["not a URL", "no requests", "no time"],
)
def test_an_invalid_argument_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        arguments(words)


def test_the_report_lists_refusals_by_verb_and_kind() -> None:
    answers = Answers()
    for number in range(1, 101):
        answers.note("heartbeat", float(number), 200, "")
    answers.note("denial", 5.0, 409, "stream-limit-reached")
    assert answers.are_as_planned

    for _ in range(5):
        answers.note("start", 9.0, 429, "throttled")
    answers.note("stop", 9.0, None, "ConnectionRefusedError")
    assert not answers.are_as_planned

    report = answers.report(rate=50, seconds=2, planned=dict.fromkeys(PLANNED, 1 / 6))
    assert "5 × start: 429 throttled instead of 201" in report
    assert "1 × stop: no answer ConnectionRefusedError instead of 204" in report
    assert "53.5 answers per second, of 50 sent." in report
    [row] = [line for line in report.splitlines() if line.startswith("heartbeat")]
    assert row.split() == [
        "heartbeat",
        "100",
        "93.5%",
        "16.7%",
        "50.0",
        "95.0",
        "99.0",
        "100.0",
    ]


def test_players_arrive_get_answers_and_leave(server_url: str) -> None:
    options = ["--rate", "10", "--seconds", "2"]
    finished = run("-m", "bench.crowd", server_url, *options, timeout=90)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "of 10 sent." in finished.stdout
    assert "No refusals except the planned denials." in finished.stdout


def test_a_load_on_an_address_without_a_service_says_so() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    finished = run("-m", "bench.crowd", url, timeout=60)

    assert finished.returncode == 1
    assert finished.stderr.startswith(f"{url} does not answer: ")
    assert finished.stdout == ""


def test_the_progress_has_rate_refusals_and_percentiles() -> None:
    answers = Answers()
    assert answers.so_far(0) == "no answer yet"
    for number in range(1, 101):
        answers.note("heartbeat", float(number), 200, "")
    answers.note("start", 9.0, 429, "throttled")

    assert answers.so_far(2) == "50/s, 1 refused, p50 50 ms, p95 95 ms"


def test_a_capacity_estimate_needs_no_variable() -> None:
    options = ["--concurrent", "1000", "--json"]
    finished = run("manage.py", "plan_capacity", *options, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["toProvision"]["rate"] == 84
