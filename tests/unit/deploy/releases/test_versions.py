"""Refusals of Lambda that the emulator does not make, with stubs of its answers."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from deploy.releases import NotFit, Versions
from stages import Stage

STAGE = Stage("test", {"project_name": "limits"})


@pytest.fixture
def client() -> Any:
    return boto3.Session("a", "b", region_name="eu-west-1").client("lambda")


def test_without_an_instance_a_version_is_not_fit(client: Any) -> None:
    with Stubber(client) as stub:
        stub.add_client_error("invoke", "TooManyRequestsException", "Rate Exceeded.")

        with pytest.raises(NotFit, match="The reserved concurrency may be 0"):
            Versions(STAGE, client).invoke("7", {})


def test_a_version_that_fails_to_initialise_gives_the_reason_of_aws(
    client: Any,
) -> None:
    reason = "The function failed: LEASE_SECONDS is '2'"
    failed = {"State": "Failed", "StateReason": reason}
    with Stubber(client) as stub:
        stub.add_response("get_function_configuration", failed)
        stub.add_response("get_function_configuration", failed)

        with pytest.raises(NotFit, match="LEASE_SECONDS is '2'"):
            Versions(STAGE, client).wait_until_active("7")
