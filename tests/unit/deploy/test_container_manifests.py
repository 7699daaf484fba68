"""The manifests of Kubernetes and ECS: valid, and about the same container."""

import json
import re
import secrets
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from streams_project import gunicorn_config
from streams_project.configuration import configured
from streams_project.environment import VARIABLES
from tests.e2e.image import COMPOSE, health_check, instructions, variables
from tests.servers import PROJECT

FOLDER = PROJECT / "deploy" / "container"
MANIFESTS = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))
BY_KIND: dict[str, Any] = {manifest["kind"]: manifest for manifest in MANIFESTS}
POD: dict[str, Any] = BY_KIND["Deployment"]["spec"]["template"]["spec"]
POD_CONTAINER: dict[str, Any] = POD["containers"][0]

TASK: dict[str, Any] = json.loads((FOLDER / "ecs-task-definition.json").read_text())
TASK_CONTAINER: dict[str, Any] = TASK["containerDefinitions"][0]

SECRETS = {
    "LEASE_TOKEN_KEYS": secrets.token_urlsafe(48),
    "API_KEYS": f"billing:{'5e' * 32}:streams:operate",
}


def pairs(items: list[dict[str, Any]]) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in items}


@pytest.mark.parametrize("version", ["1.30", "1.37"])
@pytest.mark.parametrize("kind", BY_KIND)
def test_a_manifest_is_valid(kind: str, version: str) -> None:
    kubernetes_validate.validate(BY_KIND[kind], version, strict=True)


def test_the_task_definition_is_valid() -> None:
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert shape
    report = ParamValidator().validate(TASK, shape)
    assert not report.has_errors(), report.generate_report()


def test_both_run_the_image_as_its_user_on_its_port() -> None:
    port = int(instructions("EXPOSE")[0])
    assert variables()["PORT"] == str(port)
    assert POD_CONTAINER["ports"][0]["containerPort"] == port
    assert TASK_CONTAINER["portMappings"][0]["containerPort"] == port

    user = instructions("USER")[0]
    assert TASK_CONTAINER["user"] == user
    pod_user = POD["securityContext"]
    assert f"{pod_user['runAsUser']}:{pod_user['runAsGroup']}" == user
    assert POD_CONTAINER["image"] == TASK_CONTAINER["image"]


def test_both_set_the_same_variables() -> None:
    plain = pairs(TASK_CONTAINER["environment"])
    assert BY_KIND["ConfigMap"]["data"] == plain
    assert pairs(POD_CONTAINER["env"]) == pairs(TASK_CONTAINER["secrets"])
    assert set(pairs(TASK_CONTAINER["secrets"])) == set(SECRETS)
    own = set(plain) - {"WEB_CONCURRENCY"}
    assert own <= set(VARIABLES)


def test_the_service_accepts_these_variables() -> None:
    environment = pairs(TASK_CONTAINER["environment"]) | variables() | SECRETS
    settings = configured(environment)
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["streams.example.com"]


def test_both_ask_for_health_as_the_image_does() -> None:
    check = TASK_CONTAINER["healthCheck"]
    assert check["command"][2:] == health_check()[1:]
    options = dict(re.findall(r"--([\w-]+)=(\d+)", instructions("HEALTHCHECK")[0]))
    assert options == {
        "interval": str(check["interval"]),
        "timeout": str(check["timeout"]),
        "retries": str(check["retries"]),
        "start-period": str(check["startPeriod"]),
    }
    probes = ("livenessProbe", "readinessProbe")
    assert {POD_CONTAINER[probe]["httpGet"]["path"] for probe in probes} == {"/healthz"}


def test_everyone_waits_for_the_requests_in_flight() -> None:
    seconds = gunicorn_config.graceful_timeout
    pause = POD_CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert POD["terminationGracePeriodSeconds"] > pause + seconds
    assert TASK_CONTAINER["stopTimeout"] > seconds
    assert int(COMPOSE["services"]["web"]["stop_grace_period"][:-1]) > seconds


def test_the_file_system_is_read_only() -> None:
    assert POD_CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert TASK_CONTAINER["readonlyRootFilesystem"] is True


def test_the_dockerfile_passes_its_linter() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, "--failure-threshold", "warning", "Dockerfile"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_selector_selects_the_pods() -> None:
    labels = BY_KIND["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        BY_KIND["Deployment"]["spec"]["selector"]["matchLabels"],
        BY_KIND["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        BY_KIND["Service"]["spec"]["selector"],
    ]
    assert selectors == [labels] * 3
    assert set(chain(labels)) == {"app.kubernetes.io/name"}
