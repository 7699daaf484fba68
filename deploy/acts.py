"""The acts of a rehearsal, in the order in which they are played. Each raises where what it says does not hold."""

import hashlib
import secrets
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deploy.rehearse import STAGE, Rehearsal, expect, smoke_test, viewers
from deploy.releases import Live, Versions


def live(rehearsal: Rehearsal) -> Live:
    """What has the traffic."""
    found = Versions(rehearsal.stage, rehearsal.client("lambda")).live()
    assert found is not None
    return found


def function(rehearsal: Rehearsal, **variables: str) -> dict[str, str]:
    """The variables that the next update begins with, and these."""
    versions = Versions(rehearsal.stage, rehearsal.client("lambda"))
    there = versions.environment()
    assert there is not None
    versions.set_environment(there | variables)
    return there | variables


def lease_seconds(rehearsal: Rehearsal) -> int:
    """How long a lease of the version that has the traffic is."""
    with rehearsal.api() as api:
        return int(
            api.post(
                f"/users/lease-{secrets.token_hex(4)}/streams",
                json={"streamId": "film"},
            ).json()["leaseSeconds"]
        )


def a_first_deployment(rehearsal: Rehearsal) -> None:
    """A first deployment: checked, provisioned, and serving from the package alone."""
    said = rehearsal.zappa("deploy", STAGE)
    assert "answers /healthz and admits a stream" in said
    rehearsal.provision()
    with rehearsal.api() as api:
        smoke_test(api)


def a_look_from_outside(rehearsal: Rehearsal) -> None:
    """What callers are promised holds through API Gateway, and nothing is left behind."""
    with rehearsal.api() as api:
        url = str(api.base_url)
    # The emulator starts an instance for each of them, one after the other and on this machine's cores.
    gently = ("--at-once", "4", "--slow-ms", "15000")
    said = rehearsal.run(
        sys.executable,
        "manage.py",
        "verify",
        url,
        *gently,
        VERIFY_API_KEY=rehearsal.api_key,
    )
    assert "hold; " in said, said


def provisioning_twice(rehearsal: Rehearsal) -> None:
    """Provisioning again finds nothing to do; what somebody changed by hand is shown, and put back when it is named."""
    expect(rehearsal.provision().strip(), "Everything is as it should be.")
    expect(rehearsal.provision("--plan").strip(), "Everything is as it should be.")
    patch = {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "100"}
    apigateway = rehearsal.client("apigateway")
    (api,) = apigateway.get_rest_apis()["items"]
    apigateway.update_stage(
        restApiId=api["id"], stageName=STAGE, patchOperations=[patch]
    )
    drift = rehearsal.refused_command("provision", STAGE, "--plan")
    assert "requests a second: 100 -> 1667" in drift, drift
    assert "requests a second: 100 -> 1667" in rehearsal.provision()


def two_runs_at_once(rehearsal: Rehearsal) -> None:
    """Provisioning twice at the same time: a back end gets one key, and a viewer a limit of its own."""
    flags = ("--consumer", "billing:50:100", "--viewer-rate", "120")
    with ThreadPoolExecutor() as pool:
        for run in [pool.submit(rehearsal.provision, *flags) for _ in range(2)]:
            run.result()
    ((name, value),) = keys_of(rehearsal)
    expect(name, f"{rehearsal.stage.function}-billing")
    rehearsal.environment["API_KEYS"] += (
        f",billing:{hashlib.sha256(value.encode()).hexdigest()}:streams:operate"
    )


def an_update_under_traffic(rehearsal: Rehearsal) -> None:
    """A release under traffic: no request fails, no lease is lost, code and environment change together."""
    expect(lease_seconds(rehearsal), 60)
    with viewers(rehearsal.api) as seen:
        rehearsal.variables(LEASE_SECONDS="30")
        said = rehearsal.manage("release", STAGE, "--yes")
    assert "is live." in said
    assert_served(seen)
    expect(lease_seconds(rehearsal), 30)
    ((_, key),) = keys_of(rehearsal)
    with rehearsal.api() as api:
        answers = [
            api.get("/back-end/users/ana/streams", headers={"X-API-Key": sent})
            for sent in (key, "another")
        ]
    expect([answer.status_code for answer in answers], [200, 403])


def the_way_back(rehearsal: Rehearsal) -> None:
    """The way back under traffic: the version before, with its code and its environment."""
    before = live(rehearsal)
    with viewers(rehearsal.api) as seen:
        rehearsal.manage("promote", STAGE)
    assert_served(seen)
    expect(live(rehearsal).version, before.earlier[0])
    expect(lease_seconds(rehearsal), 60)
    rehearsal.manage("promote", STAGE, before.version)
    expect(lease_seconds(rehearsal), 30)


def a_bad_update(rehearsal: Rehearsal) -> None:
    """A value that the service refuses, and keys that can be guessed: nothing is touched."""
    before = live(rehearsal)
    rehearsal.variables(LEASE_SECONDS="2")
    function(rehearsal, DEBUG="1")
    said = rehearsal.refused("update", STAGE, KEEP="3", UNSET="DEBUGS")
    for wrong in (
        "LEASE_SECONDS is '2'",
        "opens the API to everyone: UNSET=DEBUG",
        "DEBUGS is to be unset",
    ):
        assert wrong in said, said
    rehearsal.variables(LEASE_SECONDS=None)
    assert "Zappa would go to us-east-1" in rehearsal.refused(
        "update", STAGE, AWS_DEFAULT_REGION="us-east-1"
    )
    expect(live(rehearsal), before)
    rehearsal.zappa("update", STAGE, "--no-upload", "yes", UNSET="DEBUG")
    assert "DEBUG" not in function(rehearsal)
    before = live(rehearsal)
    assert "can be guessed" in rehearsal.refused(
        "update", STAGE, LEASE_TOKEN_KEYS="k" * 40
    )
    assert "every player's token" in rehearsal.refused(
        "update", STAGE, LEASE_TOKEN_KEYS=secrets.token_urlsafe(48)
    )
    expect(live(rehearsal), before)


def a_version_that_fails_its_check(rehearsal: Rehearsal) -> None:
    """A version that starts and is not ready: the traffic stays where it is."""
    before = live(rehearsal)
    rehearsal.of_lambda(DYNAMODB_ENDPOINT="http://127.0.0.1:9")
    with viewers(rehearsal.api) as seen:
        said = rehearsal.refused("update", STAGE, "--no-upload", "yes")
    rehearsal.of_lambda(DYNAMODB_ENDPOINT=rehearsal.aws)
    expect(function(rehearsal)["DYNAMODB_ENDPOINT"], rehearsal.aws)
    assert f"Version {before.version} keeps the traffic" in said, said
    assert_served(seen)
    expect(live(rehearsal), before)


def a_rotation_of_keys(rehearsal: Rehearsal) -> None:
    """Lease tokens' keys rotate in three updates under traffic: nobody is logged out."""
    old, new = rehearsal.environment["LEASE_TOKEN_KEYS"], secrets.token_urlsafe(48)
    with viewers(rehearsal.api) as seen:
        for keys in (f"{old},{new}", f"{new},{old}", new):
            said = rehearsal.zappa(
                "update", STAGE, "--no-upload", "yes", LEASE_TOKEN_KEYS=keys
            )
            assert "LEASE_TOKEN_KEYS: sha256" in said
            assert new not in said
    rehearsal.environment["LEASE_TOKEN_KEYS"] = new
    assert_served(seen)


def an_unset(rehearsal: Rehearsal) -> None:
    """From a shared secret that AWS keeps to published keys: refused while both would be there, done by an unset."""
    kept = f"/{rehearsal.stage.function}/jwt"
    rehearsal.client("ssm").put_parameter(
        Name=kept, Value=secrets.token_urlsafe(48), Type="SecureString"
    )
    shared = {
        "AUTH_JWT_SECRETS": f"ssm:{kept}",
        "AUTH_ISSUER": "https://id.example/",
        "AUTH_AUDIENCE": "x",
    }
    rehearsal.zappa("update", STAGE, "--no-upload", "yes", **shared)
    jwks = {"AUTH_JWKS": "https://id.example/jwks.json"}
    assert "both set" in rehearsal.refused("update", STAGE, **jwks)
    rehearsal.zappa("update", STAGE, UNSET="AUTH_JWT_SECRETS", **jwks)
    version = live(rehearsal).version
    function = {"FunctionName": rehearsal.stage.function, "Qualifier": version}
    variables = rehearsal.client("lambda").get_function_configuration(**function)[
        "Environment"
    ]["Variables"]
    expect(
        {name for name in variables if name.startswith("AUTH_")},
        {"AUTH_JWKS", "AUTH_ISSUER", "AUTH_AUDIENCE"},
    )
    with rehearsal.api() as api:
        smoke_test(api)


def an_undeployment(rehearsal: Rehearsal) -> None:
    """Gone, but for what is listed: the table, the role, the log, the alarms, and back ends' keys."""
    key = keys_of(rehearsal)
    rehearsal.zappa("undeploy", STAGE, "-y")
    expect(rehearsal.client("apigateway").get_rest_apis()["items"], [])
    expect(rehearsal.client("lambda").list_functions()["Functions"], [])
    expect(keys_of(rehearsal), key)
    left = rehearsal.manage("leftovers", STAGE).splitlines()
    name = rehearsal.stage.function
    expect(
        left,
        [
            f"13 alarms {name}-…",
            f"the dashboard {name}",
            f"the log /aws/lambda/{name}",
            f"the role {name}-eu-west-1",
            f"the web ACL {name}-viewers",
            f"the usage plan {name}-billing (stays: it cannot be created again)",
            f"the API key {name}-billing (stays: it cannot be created again)",
            "the table UserStreams (stays: it cannot be created again)",
            "the bucket stream-limits-rehearsal (stays: it cannot be created again)",
        ],
    )
    rehearsal.manage("leftovers", STAGE, "--delete")
    expect(rehearsal.manage("leftovers", STAGE).splitlines(), left[5:])


def a_deployment_anew(rehearsal: Rehearsal) -> None:
    """Deployed again: what was left is taken up, and a back end's key is the one that it was.

    The emulator cannot add an API to a usage plan: the step is planned here, and not done.
    """
    key = keys_of(rehearsal)
    rehearsal.zappa("deploy", STAGE)
    rehearsal.provision()
    planned = rehearsal.refused_command(
        "provision", STAGE, "--plan", "--consumer", "billing:50:100"
    )
    assert "would have the key of billing hold for this API" in planned, planned
    assert "give billing an API key" not in planned
    expect(keys_of(rehearsal), key)
    with rehearsal.api() as api:
        smoke_test(api)


def keys_of(rehearsal: Rehearsal) -> list[Any]:
    """The back ends' keys, with their values."""
    found = rehearsal.client("apigateway").get_api_keys(includeValues=True)["items"]
    return sorted((key["name"], key["value"]) for key in found)


def assert_served(seen: dict[str, int]) -> None:
    """Viewers were there, and no request of theirs failed."""
    assert sum(seen.values()) > 5, seen
    failed = {answer for answer in seen if not answer.split()[1].startswith("2")}
    expect(failed, set())


ACTS = (
    a_first_deployment,
    a_look_from_outside,
    provisioning_twice,
    two_runs_at_once,
    an_update_under_traffic,
    the_way_back,
    a_bad_update,
    a_version_that_fails_its_check,
    a_rotation_of_keys,
    an_unset,
    an_undeployment,
    a_deployment_anew,
)
