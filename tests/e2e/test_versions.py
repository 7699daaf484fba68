"""The versions of a function and its alias, on an emulated Lambda."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.releases import Live, NotFit, Versions
from deploy.releases.deployment import adopt_unversioned
from deploy.releases.versions import Code, Overtaken
from stages import Stage
from tests.e2e.emulated_lambda import DeployedFunction, lambda_client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with lambda_client(tmp_path_factory.mktemp("waiters")) as client:
        yield client


@pytest.fixture
def function(client: Any) -> DeployedFunction:
    return DeployedFunction(client)


def test_a_version_that_answers_is_fit(function: DeployedFunction) -> None:
    function.versions.check(function.publish())


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param("503", "answers /healthz with", id="503"),
        pytest.param("raises", "LEASE_SECONDS is", id="an exception"),
    ],
)
def test_a_version_that_does_not_answer_is_not_fit_and_gives_the_reason(
    function: DeployedFunction, status: str, message: str
) -> None:
    version = function.publish(status)

    with pytest.raises(NotFit, match=message):
        function.versions.check(version)


def test_a_check_calls_a_host_that_the_version_accepts(
    function: DeployedFunction,
) -> None:
    settings = {
        "project_name": "limits",
        "environment_variables": {"ALLOWED_HOSTS": ".x.example"},
    }
    stage = Stage(function.stage.name, settings)
    events: list[Any] = []

    class RecordingClient:
        def __getattr__(self, name: str) -> Any:
            return getattr(function.client, name)

        def invoke(self, **arguments: Any) -> Any:
            events.append(json.loads(arguments["Payload"]))
            return function.client.invoke(**arguments)

    Versions(stage, RecordingClient()).check(function.publish())

    assert {event["headers"]["Host"] for event in events} == {"check.x.example"}


def test_a_function_that_another_release_changed_is_not_published(
    function: DeployedFunction,
) -> None:
    newest = function.versions.newest()
    assert newest
    intended = dataclasses.replace(newest, variables={"STATUS": "200", "N": "mine"})

    with pytest.raises(Overtaken, match="has another environment than this release"):
        function.versions.publish(intended)

    assert function.published == []


@pytest.mark.parametrize("part", ["sha256", "description"])
def test_other_code_or_another_release_is_not_published(
    function: DeployedFunction, part: str
) -> None:
    newest = function.versions.newest()
    assert newest
    other: dict[str, Any] = {part: "mine"}
    intended = dataclasses.replace(newest, **other)

    with pytest.raises(Overtaken, match="The function has another"):
        function.versions.publish(intended)


def test_a_change_between_the_comparison_and_the_publication_is_refused(
    function: DeployedFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = function.versions.newest()
    assert newest

    def change(subject: str, actual: Code, intended: Code) -> None:
        function.versions.set_environment({"STATUS": "200", "N": "another's"})

    monkeypatch.setattr("deploy.releases.versions._expect", change)

    with pytest.raises(Overtaken, match="changed the function meanwhile"):
        function.versions.publish(newest)


def test_of_two_promotions_the_second_names_the_version_of_the_first(
    function: DeployedFunction,
) -> None:
    function.release()
    second, third = function.publish(), function.publish()
    read_at_the_start = function.live
    function.promote(second)

    with pytest.raises(Overtaken, match=f"to version {second} "):
        function.versions.promote(third, read_at_the_start)

    assert function.live
    assert function.live.version == second


def test_of_two_first_promotions_the_second_names_the_version_of_the_first(
    function: DeployedFunction,
) -> None:
    first, second = function.publish(), function.publish()
    function.versions.promote(first, None)

    with pytest.raises(Overtaken, match=f"to version {first} "):
        function.versions.promote(second, None)


def test_no_version_is_live_before_the_first_promotion(
    function: DeployedFunction,
) -> None:
    assert function.live is None


def test_the_alias_lists_the_versions_that_were_live_before(
    function: DeployedFunction,
) -> None:
    first = function.release()
    second = function.release()
    third = function.release()
    assert function.live == Live(third, earlier=(second, first))

    function.promote(second)

    assert function.live == Live(second, earlier=(third, first))


def test_pruning_keeps_the_live_version_the_newest_and_the_last_live_ones(
    function: DeployedFunction,
) -> None:
    releases = [function.release() for _ in range(4)]
    never_live = function.publish()
    failed = function.publish("503")

    deleted = function.versions.prune(keep=1)

    assert deleted == [*releases[:2], never_live]
    assert function.published == [failed, releases[3], releases[2]], (
        "an operator can still examine the newest"
    )


def test_pruning_keeps_the_version_of_another_alias(
    function: DeployedFunction,
) -> None:
    first = function.release()
    function.client.create_alias(
        FunctionName=function.stage.function, Name="snapstart", FunctionVersion=first
    )
    for _ in range(3):
        function.release()

    function.versions.prune(keep=0)

    assert first in function.published


@pytest.mark.parametrize(
    ("status", "is_adopted"),
    [
        pytest.param("200", True, id="it serves"),
        pytest.param("503", False, id="it has never served"),
    ],
)
def test_a_function_without_an_alias_receives_one_if_it_answers(
    function: DeployedFunction, status: str, is_adopted: bool
) -> None:
    """A deployment of before the alias answers; a failed first one does not."""
    function.publish(status)

    adopt_unversioned(function.versions)

    assert (function.live is not None) == is_adopted


def test_every_version_is_a_line(function: DeployedFunction) -> None:
    first, second = function.release(), function.release()

    lines = list(function.versions.lines())

    assert [line.split()[0] for line in lines] == [second, first]
    assert lines[0].endswith("live")
    assert lines[1].endswith("was live")
