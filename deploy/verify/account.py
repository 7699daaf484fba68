"""What no emulator shows, looked at in a real account: each a question with yes or no, and what to do about a no."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.gateway import MEDIA_TYPE, api_of
from deploy.versions import NotFit, Versions
from stages import ALIAS, Stage


@dataclass(frozen=True, slots=True)
class Verified:
    """A question, and its answer; `said` is what was found where it is no."""

    what: str
    is_so: bool
    said: str = ""


def verify(
    stage: Stage, client: Callable[[str], Any], url: str | None = None
) -> Iterator[Verified]:
    """Everything about a deployed stage, in order. `url` where it is called by; else API Gateway's own."""
    versions = Versions(stage, client("lambda"))
    live = versions.live()
    yield Verified(
        "a version has the traffic",
        live is not None,
        f"no alias {ALIAS}: zappa update {stage.name}",
    )
    if live is None:
        return
    yield _answers(versions, live.version)
    configuration = client("lambda").get_function_configuration(
        FunctionName=stage.function, Qualifier=live.version
    )
    yield from _snapshot(stage, configuration)
    yield from _role(stage, client, str(configuration["Role"]))
    api = api_of(stage, client("apigateway"))
    yield Verified(
        "there is an API",
        api is not None,
        f"none named {stage.function}: zappa deploy {stage.name}",
    )
    if api is not None:
        yield from _from_outside(
            url
            or f"https://{api['id']}.execute-api.{stage.region}.amazonaws.com/{stage.name}"
        )


def _answers(versions: Versions, version: str) -> Verified:
    try:
        versions.check(version)
    except NotFit as exc:
        return Verified("the live version is ready", False, str(exc))
    return Verified("the live version is ready", True)


def _snapshot(stage: Stage, configuration: dict[str, Any]) -> Iterator[Verified]:
    if stage.settings.get("snap_start", "None") == "None":
        return
    status = configuration.get("SnapStart", {}).get("OptimizationStatus")
    yield Verified(
        "the live version resumes from a snapshot",
        status == "On",
        f"OptimizationStatus is {status}",
    )


def _role(stage: Stage, client: Callable[[str], Any], role: str) -> Iterator[Verified]:
    """IAM's own simulator says what the role may do."""
    account = role.split(":")[4]
    table = f"arn:aws:dynamodb:{stage.region}:{account}:table/{stage.table}"
    for actions, is_allowed in (
        (["GetItem", "UpdateItem"], True),
        (["Scan", "DeleteTable", "PutItem"], False),
    ):
        results = client("iam").simulate_principal_policy(
            PolicySourceArn=role,
            ActionNames=[f"dynamodb:{action}" for action in actions],
            ResourceArns=[table],
        )["EvaluationResults"]
        wrong = [
            row["EvalActionName"]
            for row in results
            if (row["EvalDecision"] == "allowed") != is_allowed
        ]
        verb = "may" if is_allowed else "may not"
        yield Verified(
            f"the role {verb} {', '.join(actions)}",
            not wrong,
            f"wrong for {', '.join(wrong)}",
        )


def _from_outside(url: str) -> Iterator[Verified]:
    with httpx.Client(base_url=url, timeout=15, follow_redirects=False) as viewer:
        began = time.monotonic()
        health = viewer.get("/healthz")
        took = time.monotonic() - began
        yield Verified(
            f"/healthz answers ({took:.2f} s)",
            health.status_code == 200,
            f"{health.status_code}",
        )
        ready = viewer.get("/readyz")
        yield Verified(
            "/readyz answers",
            ready.status_code == 200,
            f"{ready.status_code} {ready.text[:200]}",
        )
        user = f"/users/verify-{secrets.token_hex(4)}/streams"
        yield _is_problem("a caller without credentials", viewer.get(user), 401)
        yield _is_problem(
            "a bad bearer token",
            viewer.get(user, headers={"Authorization": "Bearer x"}),
            401,
        )
        yield _is_problem(
            "a body that is too large",
            viewer.post(user, content=b"x" * 11_000_000),
            413,
        )
        yield _is_problem("a path that there is not", viewer.get("/no-such-thing"), 404)


def _is_problem(what: str, answer: httpx.Response, status: int) -> Verified:
    is_so = answer.status_code == status and answer.headers.get(
        "Content-Type", ""
    ).startswith(MEDIA_TYPE)
    found = (
        f"{answer.status_code} {answer.headers.get('Content-Type')} {answer.text[:200]}"
    )
    return Verified(f"{what} is answered with a problem of {status}", is_so, found)
