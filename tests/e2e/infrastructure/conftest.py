"""A stage in an emulated AWS, and its provisioning."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count
from typing import Any

import boto3
import pytest

from deploy.infrastructure.changes import Change
from deploy.infrastructure.provisioning import Provisioning
from deploy.infrastructure.stage_file import StageFile
from deploy.rehearsal.emulator import emulated_aws, impatient_waiters
from stages import Stage

REGION = "eu-west-1"
numbers = count(1)

type Provision = Callable[..., list[str]]


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    with emulated_aws() as url:
        yield url


@pytest.fixture(scope="session")
def client(
    aws: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Any]]:
    """Clients of the emulator, with the rights of the account's root.

    All tests share them, since creating a client takes a fifth of a second.
    """
    waiters = impatient_waiters(tmp_path_factory.mktemp("waiters"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DATA_PATH", str(waiters))
        session = boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )
        yield cache(partial(session.client, endpoint_url=aws))


@pytest.fixture
def stage(client: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a stage with unique names."""
    monkeypatch.setattr(Stage, "client", lambda self, service: client(service))
    number = next(numbers)
    settings = {
        "project_name": f"limits{number}",
        "aws_region": REGION,
        "environment_variables": {"DYNAMODB_TABLE": f"Streams{number}"},
    }
    return Stage("test", settings)


@pytest.fixture
def provision(stage: Stage) -> Provision:
    """Apply a stage's file, and return the lines of the changes."""

    def run(*, confirm_all: bool = True, **values: Any) -> list[str]:
        options = {
            name: values.pop(name) for name in ("with_api", "prune") if name in values
        }
        variables = values.pop("variables", {})
        file = StageFile(reserve=False, **values).filled()
        provisioning = Provisioning(stage, file, variables=variables, **options)
        provisioning.check()
        changes = _changes(provisioning, confirm_all=confirm_all)
        provisioning.apply(changes, lambda text: None)
        return [str(change) for change in changes]

    return run


def _changes(provisioning: Provisioning, *, confirm_all: bool) -> list[Change]:
    if confirm_all:
        return provisioning.changes()
    return provisioning.changes_without_reductions()


def make_api(stage: Stage) -> str:
    """Create an API with a deployed stage, as Zappa's template does. Return its id."""
    apigateway = stage.client("apigateway")
    api_id: str = apigateway.create_rest_api(name=stage.function)["id"]
    root = apigateway.get_resources(restApiId=api_id)["items"][0]["id"]
    proxy = apigateway.create_resource(
        restApiId=api_id, parentId=root, pathPart="{proxy+}"
    )["id"]

    for resource in (root, proxy):
        method = {"restApiId": api_id, "resourceId": resource, "httpMethod": "GET"}
        apigateway.put_method(**method, authorizationType="NONE")
        apigateway.put_integration(
            **method,
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/arn:x:live/invocations",
            credentials="arn:aws:iam::000000000000:role/limits",
        )
    apigateway.create_deployment(restApiId=api_id, stageName=stage.name)
    return api_id
