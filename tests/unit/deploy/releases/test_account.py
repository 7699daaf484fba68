"""The facts about a deployed stage in its account, with clients that are stubs."""

from types import SimpleNamespace
from typing import Any

import pytest

from deploy.releases import Live, NotFit, account, address_of
from deploy.releases.account import Fact, verify_account
from stages import Stage

STAGE = Stage(
    "test",
    {
        "project_name": "limits",
        "aws_region": "eu-west-1",
        "snap_start": "PublishedVersions",
        "environment_variables": {"DYNAMODB_TABLE": "Streams"},
    },
)
CONFIGURATION = {
    "Role": "arn:aws:iam::1:role/limits-test",
    "SnapStart": {"OptimizationStatus": "On"},
}
ALLOWED = {"dynamodb:GetItem", "dynamodb:UpdateItem"}


class StubVersions:
    """The versions of a function whose live version is 7."""

    live_version: Live | None = Live("7")
    error: str | None = None

    def __init__(self, stage: Stage, client: Any) -> None:
        pass

    def live(self) -> Live | None:
        return self.live_version

    def check(self, version: str) -> None:
        if self.error:
            raise NotFit(self.error)


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> type[StubVersions]:
    class Versions(StubVersions):
        pass

    monkeypatch.setattr(account, "Versions", Versions)
    monkeypatch.setattr(account, "api_of", lambda stage, client: None)
    return Versions


def facts(
    *, configuration: dict[str, Any] = CONFIGURATION, allowed: set[str] = ALLOWED
) -> dict[str, Fact]:
    """Return the facts of a stage without an API, by their statements."""

    def simulate(**arguments: Any) -> dict[str, Any]:
        assert arguments["ResourceArns"] == [
            "arn:aws:dynamodb:eu-west-1:1:table/Streams"
        ]
        decisions = {
            action: "allowed" if action in allowed else "implicitDeny"
            for action in arguments["ActionNames"]
        }
        return {
            "EvaluationResults": [
                {"EvalActionName": action, "EvalDecision": decision}
                for action, decision in decisions.items()
            ]
        }

    clients = {
        "lambda": SimpleNamespace(
            get_function_configuration=lambda **arguments: configuration
        ),
        "iam": SimpleNamespace(simulate_principal_policy=simulate),
        "apigateway": None,
    }
    observed = verify_account(STAGE, clients.__getitem__)
    return {fact.statement: fact for fact in observed}


@pytest.mark.usefixtures("versions")
def test_a_sound_stage_without_an_api_lacks_the_api_only() -> None:
    failed = [fact for fact in facts().values() if not fact.holds]

    assert [fact.statement for fact in failed] == ["the API exists"]
    assert failed[0].observation == "none named limits-test: zappa deploy test"


def test_without_an_alias_the_other_facts_are_unknown(
    versions: type[StubVersions],
) -> None:
    versions.live_version = None

    (fact,) = facts().values()

    assert not fact.holds
    assert fact.observation == "no alias live: zappa update test"


def test_a_version_that_does_not_answer_is_not_ready(
    versions: type[StubVersions],
) -> None:
    versions.error = "Version 7 answers /readyz with 503"

    fact = facts()["the live version is ready"]

    assert fact == Fact("the live version is ready", False, versions.error)


@pytest.mark.usefixtures("versions")
def test_a_version_without_a_snapshot_is_reported() -> None:
    fact = facts(configuration={"Role": CONFIGURATION["Role"]})[
        "the live version resumes from a snapshot"
    ]

    assert not fact.holds
    assert fact.observation == "OptimizationStatus is None"


@pytest.mark.usefixtures("versions")
def test_a_role_with_other_permissions_is_reported() -> None:
    observed = facts(allowed={"dynamodb:GetItem", "dynamodb:Scan"})

    missing = observed["the role may GetItem, UpdateItem"]
    excessive = observed["the role may not Scan, DeleteTable, PutItem"]
    assert missing.observation == "wrong for dynamodb:UpdateItem"
    assert excessive.observation == "wrong for dynamodb:Scan"


def test_the_address_is_that_of_api_gateway() -> None:
    address = address_of(STAGE, {"id": "a1b2c3"})

    assert address == "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/test"
