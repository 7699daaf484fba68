"""Acts about the stack of a stage, and about the order of provisioning and deploying.

They look at AWS itself, since the status of a stack says little about its resources.
"""

import hashlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import patch

from deploy.infrastructure import function
from deploy.rehearsal.stage import ACCOUNT, BUCKET, STAGE, Rehearsal, expect
from deploy.rehearsal.viewers import (
    assert_all_succeeded,
    assert_lease,
    smoke_test,
    viewers,
)

MATCHES = "The stage matches its file."
RATE = 1667
"""Requests per second that deploy/wanted/production.toml implies."""
PROTECTED = "DeletionProtectionEnabled"
HALF = 10_000
"""Half of the viewers in deploy/wanted/production.toml."""


def a_new_account(rehearsal: Rehearsal) -> None:
    """An account with few instances is refused before anything is made.

    Trap: the first release failed half-way. A refusal that contains "Concurrent" was
    taken for another run.
    """
    with patch.object(function, "UNRESERVED", 995):
        output = rehearsal.refused("deploy", STAGE)
    assert "Ask AWS to raise 'Concurrent executions'" in output, output
    assert "reserve = false" in output, output
    expect(rehearsal.client("dynamodb").list_tables()["TableNames"], [])
    expect(functions_of(rehearsal), [])


def a_first_deployment(rehearsal: Rehearsal) -> None:
    """The stack without the API, `zappa deploy`, the stack with the API.

    Trap: Zappa wrote the role's policy, and `zappa deploy` alone served 503 to each
    start until the table existed.
    """
    rehearsal.provision()
    expect(functions_of(rehearsal), [])

    output = rehearsal.zappa("deploy", STAGE)
    assert "answers /healthz and admits a stream" in output, output
    rehearsal.provision()
    expect(rehearsal.provision().strip(), MATCHES)
    with rehearsal.api() as api:
        smoke_test(api)


def a_look_from_outside(rehearsal: Rehearsal) -> None:
    """The promises to callers hold through API Gateway, and the check leaves no data.

    Trap: a promise held locally, and API Gateway changed a header.
    """
    with rehearsal.api() as api:
        url = str(api.base_url)
    # The emulator starts one instance after the other, on the cores of this machine.
    gently = ("--at-once", "4", "--slow-ms", "15000")
    key = ("--api-key", rehearsal.api_key)
    output = rehearsal.run(sys.executable, "manage.py", "verify", url, *gently, *key)
    assert "hold; " in output, output


def a_change_by_hand(rehearsal: Rehearsal) -> None:
    """Changes by hand are drift: shown with their values, and put back.

    Trap: a table without deletion protection passed for provisioned.
    """
    dynamodb, table = rehearsal.client("dynamodb"), str(rehearsal.stage.table)
    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    rehearsal.client("cloudwatch").delete_alarms(
        AlarmNames=[f"{rehearsal.stage.function}-api-5xx"]
    )
    set_rate(rehearsal, 100)

    output = rehearsal.refused_command("provision", STAGE, "--plan")
    for line in (
        "would create Api5xx again, which was deleted",
        f"would put back UserStreams Replicas/0/{PROTECTED}: false -> true",
        f"would rate: 100 -> {RATE}",
    ):
        assert line in output, output
    expect(dynamodb.describe_table(TableName=table)["Table"].get(PROTECTED), False)

    rehearsal.provision()
    expect(dynamodb.describe_table(TableName=table)["Table"].get(PROTECTED), True)
    expect(len(alarms_of(rehearsal)), 17)
    expect(rate_of(rehearsal), RATE)
    expect(rehearsal.manage("provision", STAGE, "--plan").strip(), MATCHES)


def a_reduction(rehearsal: Rehearsal) -> None:
    """`--yes` lowers no capacity. Each reduction is confirmed by its key.

    Trap: in the middle of a peak, `release --yes` halved the capacity that an operator
    had raised.
    """
    fewer = ("--viewers", str(HALF))
    output = rehearsal.provision(*fewer)
    assert f"rate stays at {RATE}: --lower rate confirms the reduction" in output, (
        output
    )
    expect((rate_of(rehearsal), max_units(rehearsal)), (RATE, 2 * RATE))

    rehearsal.provision(*fewer, "--lower", "max_write_units", "--lower", "rate")
    expect((rate_of(rehearsal), max_units(rehearsal)), (834, 1668))
    rehearsal.provision()
    expect((rate_of(rehearsal), max_units(rehearsal)), (RATE, 2 * RATE))


def two_operators(rehearsal: Rehearsal) -> None:
    """Two runs at once: the stack takes one, and the other ends with the reason.

    Trap: each run created an API key, and a back end had two.
    """
    options = ("--consumer", "billing:50:100", "--viewer-rate", "120")

    def provision(_: int) -> str:
        try:
            return rehearsal.provision_alone(*options)
        except RuntimeError as exc:
            return str(exc)

    with ThreadPoolExecutor() as pool:
        outputs = list(pool.map(provision, range(2)))
    assert any("Done." in output for output in outputs), outputs

    rehearsal.provision(*options)
    ((name, value),) = keys_of(rehearsal)
    expect(name, f"{rehearsal.stage.function}-billing")
    digest = hashlib.sha256(value.encode()).hexdigest()
    rehearsal.environment["API_KEYS"] += f",billing:{digest}:streams:operate"


def an_update_under_traffic(rehearsal: Rehearsal) -> None:
    """During a release no request fails, and code and environment change together.

    Trap: the code was live before its environment.
    """
    assert_lease(rehearsal, 60)
    with viewers(rehearsal.api) as answers:
        rehearsal.set_variables(LEASE_SECONDS="30")
        output = rehearsal.manage("release", STAGE, "--yes")
    assert "is live." in output, output
    assert_all_succeeded(answers)
    assert_lease(rehearsal, 30)
    rehearsal.set_variables(LEASE_SECONDS=None)

    ((_, key),) = keys_of(rehearsal)
    with rehearsal.api() as api:
        statuses = [
            api.get("/back-end/users/ana/streams", headers={"X-API-Key": sent})
            for sent in (key, "another")
        ]
    expect([answer.status_code for answer in statuses], [200, 403])


def commands_of_zappa(rehearsal: Rehearsal) -> None:
    """Each command of Zappa works, or says why it does not.

    Traps: `zappa schedule` invoked the newest code every four minutes. `zappa certify`
    and `tags` failed in the middle for lack of a right.
    """
    output = rehearsal.zappa("tail", STAGE, "--disable-keep-open", "--since", "1h")
    assert "Error" not in output, output
    rehearsal.zappa("schedule", STAGE)
    rehearsal.zappa("unschedule", STAGE)
    rehearsal.zappa("status", STAGE)

    with rehearsal.settings(keep_warm=True):
        output = rehearsal.refused("schedule", STAGE)
    assert "goes past the alias" in output, output
    with rehearsal.settings(domain="tv.example"):
        output = rehearsal.refused("certify", STAGE, "-y")
    assert "ALLOWED_HOSTS lacks the domain" in output, output

    certificate = f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1"
    domain = {"domain": "tv.amazonaws.com", "certificate_arn": certificate}
    with rehearsal.settings(**domain, route53_enabled=False):
        output = rehearsal.zappa("certify", STAGE, "-y")
    assert "Certificate updated" in output, output
    names = rehearsal.client("apigateway").get_domain_names()["items"]
    expect([name["domainName"] for name in names], [domain["domain"]])
    rehearsal.client("apigateway").delete_domain_name(domainName=domain["domain"])


def an_undeployment(rehearsal: Rehearsal) -> None:
    """The stack without the API, `zappa undeploy`, and then the stack is deleted.

    Trap: API Gateway refuses to delete an API that a usage plan refers to.
    """
    keys = keys_of(rehearsal)
    output = rehearsal.refused("undeploy", STAGE, "-y")
    assert f"manage.py provision {STAGE} --without-api" in output, output

    rehearsal.provision("--without-api")
    rehearsal.zappa("undeploy", STAGE, "-y")
    expect(rehearsal.client("apigateway").get_rest_apis()["items"], [])
    expect(functions_of(rehearsal), [])
    expect(keys_of(rehearsal), keys)

    rehearsal.manage("leftovers", STAGE, "--delete")
    names = [name for name, _ in keys]
    kept = [
        f"the log /aws/lambda/{rehearsal.stage.function}, with the audit",
        *(f"the usage plan {name}" for name in names),
        *(f"the API key {name}" for name in names),
        "the table UserStreams",
        f"the bucket {BUCKET}",
    ]
    expect(
        rehearsal.manage("leftovers", STAGE).splitlines(),
        [f"{name} (stays: it cannot be created again)" for name in kept],
    )


def a_deployment_by_zappa_alone(rehearsal: Rehearsal) -> None:
    """`zappa deploy` alone makes what is missing, and ends with a stage that admits.

    It adopts the table and the keys of a stage that was undeployed, unchanged.

    Traps: `zappa deploy` alone served 503 to each start. A key that CloudFormation
    creates again has another value.
    """
    keys = keys_of(rehearsal)
    rehearsal.set_variables(LEASE_SECONDS=None)
    output = rehearsal.zappa("deploy", STAGE)
    assert not keys or "adopt the table UserStreams" in output, output
    with rehearsal.api() as api:
        smoke_test(api)
    expect(rehearsal.provision().strip(), MATCHES)

    if keys:
        rehearsal.provision("--consumer", "billing:50:100")
        expect(keys_of(rehearsal), keys)


# --- the state of AWS -----------------------------------------------------------------


def keys_of(rehearsal: Rehearsal) -> list[tuple[str, str]]:
    """Return the names and values of the back ends' keys."""
    keys = rehearsal.client("apigateway").get_api_keys(includeValues=True)["items"]
    return sorted((key["name"], key["value"]) for key in keys)


def functions_of(rehearsal: Rehearsal) -> list[Any]:
    """Return the functions of the account."""
    functions: list[Any] = rehearsal.client("lambda").list_functions()["Functions"]
    return functions


def alarms_of(rehearsal: Rehearsal) -> list[Any]:
    """Return the alarms of the account."""
    answer = rehearsal.client("cloudwatch").describe_alarms()
    alarms: list[Any] = answer["MetricAlarms"]
    return alarms


def rate_of(rehearsal: Rehearsal) -> float:
    """Return the requests per second that API Gateway lets through."""
    stage = rehearsal.client("apigateway").get_stage(
        restApiId=rehearsal.api_id, stageName=STAGE
    )
    return float(stage["methodSettings"]["*/*"]["throttlingRateLimit"])


def set_rate(rehearsal: Rehearsal, rate: int) -> None:
    """Change the requests per second by hand."""
    path = "/*/*/throttling/rateLimit"
    patch = {"op": "replace", "path": path, "value": str(rate)}
    rehearsal.client("apigateway").update_stage(
        restApiId=rehearsal.api_id, stageName=STAGE, patchOperations=[patch]
    )


def max_units(rehearsal: Rehearsal) -> int:
    """Return the most writes per second that the table takes."""
    table = rehearsal.client("dynamodb").describe_table(
        TableName=str(rehearsal.stage.table)
    )
    return int(table["Table"]["OnDemandThroughput"]["MaxWriteRequestUnits"])
