"""A canary on an emulated Lambda, and the schedule that outlives its watcher."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy.releases import Live, NotFit
from deploy.releases.versions import Overtaken
from tests.e2e.emulated_lambda import DeployedFunction, lambda_client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with lambda_client(tmp_path_factory.mktemp("waiters")) as client:
        yield client


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the alarms that fire."""
    names: list[str] = []
    monkeypatch.setattr(
        "deploy.releases.canary.alarm_names", lambda stage, client, **state: names
    )
    return names


@pytest.fixture
def function(client: Any, alarms: list[str]) -> DeployedFunction:
    return DeployedFunction(client)


def schedules(function: DeployedFunction) -> list[dict[str, Any]]:
    scheduler = function.client_of("scheduler")
    names = [
        summary["Name"]
        for summary in scheduler.list_schedules()["Schedules"]
        if summary["Name"].startswith(function.stage.function)
    ]
    return [scheduler.get_schedule(Name=name) for name in names]


def run(schedule: dict[str, Any], function: DeployedFunction) -> None:
    """Make the call of a schedule, which the emulator does not know."""
    function.client.update_alias(**json.loads(schedule["Target"]["Input"]))


def test_a_canary_receives_its_share_and_then_all_traffic(
    function: DeployedFunction,
) -> None:
    first, second = function.release(), function.publish()
    shares: list[tuple[str | None, float]] = []

    def sleep(seconds: float) -> None:
        live = function.live
        assert live
        shares.append((live.canary, live.share))

    function.try_out(second, minutes=0.5, sleep=sleep)

    assert shares == [(second, 0.05)] * 2
    assert function.live == Live(second, earlier=(first,))
    assert schedules(function) == []


def test_an_alarm_ends_a_canary(function: DeployedFunction, alarms: list[str]) -> None:
    first, second = function.release(), function.publish()
    alarms.append("limits-api-5xx")

    with pytest.raises(NotFit, match="limits-api-5xx"):
        function.try_out(second, minutes=10, sleep=lambda seconds: None)

    assert function.live == Live(first)
    assert schedules(function) == []


def test_an_interruption_ends_a_canary(function: DeployedFunction) -> None:
    first, second = function.release(), function.publish()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        function.try_out(second, minutes=10, sleep=interrupt)

    assert function.live == Live(first)


def test_the_schedule_takes_the_split_back_when_the_watcher_is_lost(
    function: DeployedFunction,
) -> None:
    first, second = function.release(), function.publish()

    def look(seconds: float) -> None:
        (schedule,) = schedules(function)
        assert schedule["ActionAfterCompletion"] == "DELETE"
        assert schedule["Target"]["RoleArn"].endswith(":role/canary-limits-None")
        run(schedule, function)
        assert function.live == Live(first)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        function.try_out(second, minutes=10, sleep=look)


def test_the_schedule_leaves_what_another_release_did_since(
    function: DeployedFunction,
) -> None:
    first, second, third = function.release(), function.publish(), function.publish()

    def promote_another(seconds: float) -> None:
        function.promote(third)
        (schedule,) = schedules(function)
        with pytest.raises(ClientError, match="PreconditionFailed"):
            run(schedule, function)

    with pytest.raises(Overtaken, match=f"to version {third} "):
        function.try_out(second, minutes=0.1, sleep=promote_another)

    assert function.live == Live(third, earlier=(first,))


def test_no_traffic_moves_without_a_schedule(
    function: DeployedFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = function.release(), function.publish()
    scheduler = function.client_of("scheduler")
    refusal = ClientError({"Error": {"Code": "AccessDenied"}}, "CreateSchedule")

    def refuse(**request: Any) -> None:
        raise refusal

    monkeypatch.setattr(scheduler, "create_schedule", refuse)

    with pytest.raises(LookupError, match="No traffic was moved"):
        function.try_out(second, minutes=10, sleep=lambda seconds: None)

    assert function.live == Live(first)
