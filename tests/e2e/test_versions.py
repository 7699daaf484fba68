"""The versions of a function, and the alias that has the traffic, on an emulated Lambda."""

import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.core.management import CommandError, call_command

from deploy import hooks
from deploy.emulator import emulated_aws, impatient_waiters
from deploy.versions import Live, NotFit, Versions
from stages import Stage

CODE = """
import os
def handler(event, context):
    if os.environ["STATUS"] == "raises":
        raise ValueError("LEASE_SECONDS is '2'")
    return {"statusCode": int(os.environ["STATUS"]), "body": event["path"]}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with emulated_aws("lambda", "iam") as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "AWS_DATA_PATH", str(impatient_waiters(tmp_path_factory.mktemp("waiters")))
        )
        session = boto3.Session()
        iam, lambda_ = (
            session.client(
                name,
                endpoint_url=url,
                region_name="eu-west-1",
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            for name in ("iam", "lambda")
        )
        trusted = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        iam.create_role(RoleName="x", AssumeRolePolicyDocument=document)
        yield lambda_


class Deployed:
    """A function whose versions answer a status of their environment's."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.stage = Stage(f"s{uuid.uuid4().hex[:8]}", {"project_name": "limits"})
        self.versions = Versions(self.stage, client)
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as entries:
            entries.writestr("code.py", CODE)
        client.create_function(
            FunctionName=self.stage.function,
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/x",
            Handler="code.handler",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": {"STATUS": "200"}},
        )
        client.get_waiter("function_active_v2").wait(FunctionName=self.stage.function)

    def publish(self, status: str = "200") -> str:
        variables = {"STATUS": status, "N": uuid.uuid4().hex}
        self.client.update_function_configuration(
            FunctionName=self.stage.function, Environment={"Variables": variables}
        )
        return self.versions.publish()

    def released(self, status: str = "200") -> str:
        version = self.publish(status)
        self.versions.promote(version)
        return version


@pytest.fixture
def deployed(client: Any) -> Deployed:
    return Deployed(client)


def test_a_version_that_answers_is_fit(deployed: Deployed) -> None:
    deployed.versions.check(deployed.publish())


@pytest.mark.parametrize(
    ("status", "said"),
    [("503", "answers /healthz with"), ("raises", "LEASE_SECONDS is")],
)
def test_a_version_that_does_not_answer_is_not_fit_and_says_why(
    deployed: Deployed, status: str, said: str
) -> None:
    with pytest.raises(NotFit, match=said):
        deployed.versions.check(deployed.publish(status))


def test_nothing_is_live_before_the_first_promotion(deployed: Deployed) -> None:
    assert deployed.versions.live() is None


def test_the_way_back_is_remembered(deployed: Deployed) -> None:
    first, second, third = deployed.released(), deployed.released(), deployed.released()
    assert deployed.versions.live() == Live(third, earlier=(second, first))
    deployed.versions.promote(second)
    assert deployed.versions.live() == Live(second, earlier=(third, first))


def test_a_canary_has_its_share_and_then_everything(deployed: Deployed) -> None:
    first, second = deployed.released(), deployed.publish()
    shares: list[tuple[str | None, float]] = []

    def sleep(seconds: float) -> None:
        live = deployed.versions.live()
        assert live
        shares.append((live.canary, live.share))

    tried = deployed.versions.try_out(
        second, share=0.05, minutes=0.5, is_alarmed=list, sleep=sleep
    )
    assert tried == []
    assert shares == [(second, 0.05)] * 2
    assert deployed.versions.live() == Live(second, earlier=(first,))


def test_an_alarm_takes_a_canary_back(deployed: Deployed) -> None:
    first, second = deployed.released(), deployed.publish()
    tried = deployed.versions.try_out(
        second,
        share=0.05,
        minutes=10,
        is_alarmed=lambda: ["limits-api-5xx"],
        sleep=lambda seconds: None,
    )
    assert tried == ["limits-api-5xx"]
    assert deployed.versions.live() == Live(first)


def test_a_canary_that_is_interrupted_is_taken_back(deployed: Deployed) -> None:
    first, second = deployed.released(), deployed.publish()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deployed.versions.try_out(
            second, share=0.05, minutes=10, is_alarmed=list, sleep=interrupted
        )
    assert deployed.versions.live() == Live(first)


def test_versions_that_nobody_goes_back_to_are_deleted(deployed: Deployed) -> None:
    releases = [deployed.released() for _ in range(4)]
    never_live, failed = deployed.publish(), deployed.publish("503")
    assert deployed.versions.prune(keep=1) == [*releases[:2], never_live]
    left = [version["Version"] for version in deployed.versions.published()]
    assert left == [failed, releases[3], releases[2]], (
        "the newest can still be looked at"
    )


def test_a_version_that_another_alias_has_is_kept(deployed: Deployed) -> None:
    first = deployed.released()
    deployed.client.create_alias(
        FunctionName=deployed.stage.function, Name="snapstart", FunctionVersion=first
    )
    for _ in range(3):
        deployed.released()
    deployed.versions.prune(keep=0)
    assert first in [version["Version"] for version in deployed.versions.published()]


def test_the_next_version_begins_with_the_environment_that_is_gone_back_to(
    deployed: Deployed,
) -> None:
    good = deployed.released()
    deployed.released("503")
    assert deployed.versions.environment() != deployed.versions.environment_of(good)
    call_on(deployed, "promote", good)
    assert deployed.versions.environment() == deployed.versions.environment_of(good)
    live = deployed.versions.live()
    assert live
    assert live.version == good


@pytest.mark.parametrize(
    ("words", "said"),
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
def test_what_cannot_be_promoted_is_refused(
    deployed: Deployed, words: list[str], said: str
) -> None:
    first = deployed.released()
    with pytest.raises(CommandError, match=said):
        call_on(deployed, "promote", *words)
    assert deployed.versions.live() == Live(first)


def test_a_canary_that_no_alarm_would_take_back_is_refused(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = deployed.released(), deployed.publish()
    monkeypatch.setattr(
        "deploy.management.commands.promote.there", lambda stage, cloudwatch: []
    )
    with pytest.raises(CommandError, match="No alarm would take it back"):
        call_on(deployed, "promote", second, "--canary", "5%")
    assert deployed.versions.live() == Live(first)


@pytest.mark.parametrize(
    ("status", "is_adopted"),
    [("200", True), ("503", False)],
    ids=["it serves", "it never has"],
)
def test_what_has_no_alias_yet_gets_it_where_it_answers(
    deployed: Deployed, status: str, is_adopted: bool
) -> None:
    """A deployment of before there was an alias; not a first one that failed its check."""
    deployed.publish(status)
    hooks._adopt(deployed.versions)
    assert (deployed.versions.live() is not None) == is_adopted


def call_on(deployed: Deployed, command: str, *words: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage, "client", lambda stage, service: deployed.client)
        patch.setattr("stages.commands.stage_of", lambda name, file: deployed.stage)
        call_command(command, deployed.stage.name, *words, stdout=io.StringIO())


def test_every_version_is_a_line(deployed: Deployed) -> None:
    first, second = deployed.released(), deployed.released()
    lines = list(deployed.versions.lines())
    assert [line.split()[0] for line in lines] == [second, first]
    assert lines[0].endswith("live")
    assert lines[1].endswith("was live")


def test_a_version_is_asked_by_a_host_that_it_takes(deployed: Deployed) -> None:
    stage = Stage(
        deployed.stage.name,
        {
            "project_name": "limits",
            "environment_variables": {"ALLOWED_HOSTS": ".x.example"},
        },
    )
    asked: list[Any] = []

    class Recording:
        def __getattr__(self, name: str) -> Any:
            return getattr(deployed.client, name)

        def invoke(self, **arguments: Any) -> Any:
            asked.append(json.loads(arguments["Payload"]))
            return deployed.client.invoke(**arguments)

    Versions(stage, Recording()).check(deployed.publish())
    assert {event["headers"]["Host"] for event in asked} == {"check.x.example"}
