"""Checks a deployed stage in its AWS account: facts that no emulator shows.

Each check is a statement that holds or not, with the observation if it does not.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.infrastructure import MEDIA_TYPE, api_of
from deploy.releases.trial import address_of
from deploy.releases.versions import NotFit, Versions
from stages import ALIAS, Stage

TIMEOUT_SECONDS = 15
TOO_LARGE_BYTES = 11_000_000
"""API Gateway accepts 10 MB."""

type Client = Callable[[str], Any]
"""Returns a boto3 client of a service."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement about the stage, and the observation if it does not hold."""

    statement: str
    holds: bool
    observation: str = ""


def verify_account(
    stage: Stage, client: Client, url: str | None = None
) -> Iterator[Fact]:
    """Yield every fact about a deployed stage, in order.

    `url` is the address of the service. By default it is that of API Gateway.
    """
    versions = Versions(stage, client("lambda"))
    live = versions.live()
    yield Fact(
        "a version has the traffic",
        live is not None,
        f"no alias {ALIAS}: zappa update {stage.name}",
    )
    if live is None:
        return

    configuration = client("lambda").get_function_configuration(
        FunctionName=stage.function, Qualifier=live.version
    )
    yield _readiness(versions, live.version)
    yield from _snapshot(stage, configuration)
    yield from _permissions(stage, client("iam"), str(configuration["Role"]))

    api = api_of(stage, client("apigateway"))
    yield Fact(
        "the API exists",
        api is not None,
        f"none named {stage.function}: zappa deploy {stage.name}",
    )
    if api is not None:
        yield from _answers(url or address_of(stage, api))


def _readiness(versions: Versions, version: str) -> Fact:
    try:
        versions.check(version)
    except NotFit as exc:
        return Fact("the live version is ready", False, str(exc))
    return Fact("the live version is ready", True)


def _snapshot(stage: Stage, configuration: dict[str, Any]) -> Iterator[Fact]:
    if stage.settings.get("snap_start", "None") == "None":
        return
    status = configuration.get("SnapStart", {}).get("OptimizationStatus")
    yield Fact(
        "the live version resumes from a snapshot",
        status == "On",
        f"OptimizationStatus is {status}",
    )


def _permissions(stage: Stage, iam: Any, role: str) -> Iterator[Fact]:
    """Ask IAM's policy simulator about the permissions of the role."""
    account = role.split(":")[4]
    table = f"arn:aws:dynamodb:{stage.region}:{account}:table/{stage.table}"
    expectations = {
        ("GetItem", "UpdateItem"): True,
        ("Scan", "DeleteTable", "PutItem"): False,
    }

    for actions, is_allowed in expectations.items():
        simulation = iam.simulate_principal_policy(
            PolicySourceArn=role,
            ActionNames=[f"dynamodb:{action}" for action in actions],
            ResourceArns=[table],
        )
        wrong = [
            evaluation["EvalActionName"]
            for evaluation in simulation["EvaluationResults"]
            if (evaluation["EvalDecision"] == "allowed") != is_allowed
        ]
        verb = "may" if is_allowed else "may not"
        yield Fact(
            f"the role {verb} {', '.join(actions)}",
            not wrong,
            f"wrong for {', '.join(wrong)}",
        )


def _answers(url: str) -> Iterator[Fact]:
    """Call the service from outside and check its answers."""
    with httpx.Client(
        base_url=url, timeout=TIMEOUT_SECONDS, follow_redirects=False
    ) as viewer:
        yield from _health(viewer)

        path = f"/users/verify-{secrets.token_hex(4)}/streams"
        bad_token = {"Authorization": "Bearer x"}
        yield _problem("a caller without credentials", viewer.get(path), 401)
        yield _problem("a bad bearer token", viewer.get(path, headers=bad_token), 401)

        too_large = viewer.post(path, content=b"x" * TOO_LARGE_BYTES)
        yield _problem("a body that is too large", too_large, 413)
        yield _problem("an unknown path", viewer.get("/no-such-thing"), 404)


def _health(viewer: httpx.Client) -> Iterator[Fact]:
    began = time.monotonic()
    health = viewer.get("/healthz")
    seconds = time.monotonic() - began
    yield Fact(
        f"/healthz answers ({seconds:.2f} s)",
        health.status_code == 200,
        f"{health.status_code}",
    )

    ready = viewer.get("/readyz")
    yield Fact(
        "/readyz answers",
        ready.status_code == 200,
        f"{ready.status_code} {ready.text[:200]}",
    )


def _problem(caller: str, answer: httpx.Response, status: int) -> Fact:
    media_type = answer.headers.get("Content-Type", "")
    is_problem = media_type.startswith(MEDIA_TYPE)
    return Fact(
        f"{caller} is answered with a problem of {status}",
        answer.status_code == status and is_problem,
        f"{answer.status_code} {media_type or None} {answer.text[:200]}",
    )
