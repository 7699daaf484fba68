"""`manage.py promote`, on an emulated Lambda."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError

from deploy.releases import Live
from tests.e2e.emulated_lambda import DeployedFunction, lambda_client
from tests.servers import free_port


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with lambda_client(tmp_path_factory.mktemp("waiters")) as client:
        yield client


@pytest.fixture
def function(client: Any) -> DeployedFunction:
    return DeployedFunction(client)


def test_the_next_version_begins_with_the_environment_of_the_promoted_one(
    function: DeployedFunction,
) -> None:
    good = function.release()
    function.release("503")
    assert function.versions.environment() != function.versions.environment_of(good)

    function.call("promote", good)

    assert function.versions.environment() == function.versions.environment_of(good)
    assert function.live
    assert function.live.version == good


def test_without_a_version_the_one_before_is_promoted(
    function: DeployedFunction,
) -> None:
    first, second = function.release(), function.release()

    function.call("promote")

    assert function.live == Live(first, earlier=(second,))


def test_without_an_earlier_version_a_version_must_be_named(
    function: DeployedFunction,
) -> None:
    first = function.release()

    with pytest.raises(CommandError, match="No version was live before"):
        function.call("promote")

    assert function.live == Live(first)


def test_a_version_that_does_not_answer_is_not_promoted(
    function: DeployedFunction,
) -> None:
    first = function.release()
    failing = function.publish("503")

    with pytest.raises(CommandError, match=f"Version {first} keeps the traffic"):
        function.call("promote", failing)

    assert function.live == Live(first)


def test_the_traffic_goes_back_if_a_viewer_fails_at_the_url(
    function: DeployedFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = function.release(), function.publish()
    monkeypatch.setenv("VERIFY_API_KEY", "key")
    monkeypatch.setenv("VERIFY_URL", f"http://127.0.0.1:{free_port()}")

    with pytest.raises(CommandError, match=f"Version {first} has the traffic again"):
        function.call("promote", second)

    assert function.live == Live(first)


def test_a_version_whose_keys_reject_the_players_tokens_needs_a_confirmation(
    function: DeployedFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("YES", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = function.release()
    function.versions.set_environment({"STATUS": "200", "LEASE_TOKEN_KEYS": "old"})
    old = function.publish_newest()
    function.promote(old)
    function.versions.set_environment({"STATUS": "200", "LEASE_TOKEN_KEYS": "new"})
    new = function.publish_newest()
    function.promote(new)

    with pytest.raises(CommandError, match="YES=lease-token-keys"):
        function.call("promote", old)

    function.call("promote", before)
    assert function.live
    assert function.live.version == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["$LATEST"], "is no version"),
        (["live"], "is no version"),
        (["-1"], "-1"),
        (["1", "--canary", "0%"], "not a share"),
        (["1", "--canary", "nan"], "not a share"),
        (["1", "--minutes", "nan"], "not a number of minutes"),
        (["1", "--keep", "-1"], "not a whole number"),
        (["99"], "AWS refused"),
    ],
    ids=" ".join,
)
def test_invalid_arguments_are_refused_without_a_change(
    function: DeployedFunction, arguments: list[str], message: str
) -> None:
    first = function.release()

    with pytest.raises(CommandError, match=message):
        function.call("promote", *arguments)

    assert function.live == Live(first)


def test_a_canary_needs_an_alarm_that_can_end_it(
    function: DeployedFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = function.release(), function.publish()
    monkeypatch.setattr("deploy.releases.canary.alarm_names", lambda *arguments: [])

    with pytest.raises(CommandError, match="No alarm would end the canary"):
        function.call("promote", second, "--canary", "5%")

    assert function.live == Live(first)
