"""Provisioning of a stage: the changes that its file requires, shown and then applied.

The order of a first deployment is: the stack without the API, `zappa deploy`, the stack
with the API. The way back is: the stack without the API, `zappa undeploy`, and
`manage.py leftovers STAGE --delete`, which deletes the stack.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from deploy.infrastructure.adoption import (
    Existing,
    delete_recreated,
    find_existing,
    find_keys,
    find_table,
)
from deploy.infrastructure.back_ends import route_changes
from deploy.infrastructure.changes import Change, apply_all, reductions
from deploy.infrastructure.function import check_quotas, concurrency_changes
from deploy.infrastructure.gateway import answer_changes, api_of, throttling_changes
from deploy.infrastructure.needs import environments_of, secrets_of, tables_of
from deploy.infrastructure.parameters import (
    Parameters,
    as_request,
    file_parameters,
    parameter_changes,
    stage_parameters,
    without,
)
from deploy.infrastructure.stack import ChangeSet, Drift, Stack
from deploy.infrastructure.stage_file import Consumer, StageFile
from deploy.infrastructure.template import (
    TABLE,
    Template,
    logical_prefix,
    read_template,
    with_consumers,
    without_table,
)
from stages import Stage

DRIFT = "drift"
"""Name of the reductions that putting drift back would make."""
CAPACITY_PATH = re.compile(
    r"(RequestUnits|Capacity|RateLimit|BurstLimit|Limit|RetentionInDays)$"
)
MAX_SHOWN = 60
"""Characters of a value that a line shows."""
CAN_DETECT_DRIFT = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")

type Say = Callable[[str], None]


def stack_of(stage: Stage, *, service_role: str | None = None) -> Stack:
    """Return the stage's stack, whether it exists or not."""
    return Stack(
        f"{stage.function}-infrastructure",
        stage.client("cloudformation"),
        service_role=service_role,
    )


class Provisioning:
    """One run. `changes` prepares it, then `apply` or `discard` ends it.

    `variables` are those of the next version, in addition to the stage's.
    """

    def __init__(
        self,
        stage: Stage,
        file: StageFile,
        *,
        with_api: bool = True,
        prune: bool = False,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._stage = stage
        self._client = cache(stage.client)
        self._file = file
        self._prune = prune
        self._variables = variables or {}
        self.stack = stack_of(stage, service_role=file.service_role)
        self._api = _api_id(stage) if with_api else None
        self._existing = Existing()
        self._change_set: ChangeSet | None = None
        self._template: Template = {}
        self._parameters: Parameters = {}

    @property
    def has_api(self) -> bool:
        """Whether this run attaches the stack to an API."""
        return self._api is not None

    @property
    def has_topic(self) -> bool:
        """Whether a topic receives the alarms."""
        return bool(self._file.topic or self.stack.parameters().get("Topic"))

    # --- before a change --------------------------------------------------------------

    def check(self) -> None:
        """Raise `LookupError` with the reason why the stage cannot be provisioned."""
        if not self._stage.table:
            raise LookupError(
                f"The stage {self._stage.name} names no table: set DYNAMODB_TABLE in "
                "its environment_variables."
            )
        self.stack.check_is_stable()
        check_quotas(
            self._stage,
            self._file,
            lambda_client=self._client("lambda"),
            apigateway=self._client("apigateway"),
        )
        if self._api and self._file.viewer_rate:
            self._check_web_acl()

    def _check_web_acl(self) -> None:
        """Raise `LookupError` if the API has another web ACL: it takes only one."""
        resource = (
            f"arn:aws:apigateway:{self._stage.region}::/restapis/{self._api}"
            f"/stages/{self._stage.name}"
        )
        wafv2 = self._client("wafv2")
        try:
            answer = wafv2.get_web_acl_for_resource(ResourceArn=resource)
        except wafv2.exceptions.WAFNonexistentItemException:
            return

        acl = answer.get("WebACL")
        if acl and acl["Name"] != f"{self._stage.function}-viewers":
            raise LookupError(
                f"The API has the web ACL {acl['Name']}. Add a rate-based rule to it "
                "and remove viewer_rate."
            )

    def is_ready(self) -> bool:
        """Whether the stack exists, and its role suffices for the next version."""
        previous = self.stack.parameters()
        if not previous or not self._has_role():
            return False
        required = self._stage_parameters(previous)
        return all(
            set(required[name].split(",")) <= set(previous[name].split(","))
            for name in ("Tables", "Secrets")
        )

    def _has_role(self) -> bool:
        """Return whether the role exists. Zappa would miss it after the upload."""
        iam = self._client("iam")
        try:
            iam.get_role(RoleName=self._stage.role)
        except iam.exceptions.NoSuchEntityException:
            return False
        return True

    # --- the changes ------------------------------------------------------------------

    def changes(self, *, kept: Iterable[Change] = ()) -> list[Change]:
        """Create the change set, and return all changes of this run.

        Values of the changes in `kept` stay as they are.
        """
        kept = list(kept)
        deployed = self.stack.template()
        self._existing = self._find_existing(deployed)
        previous = self._previous()

        consumers = _consumers(self._file.consumers, deployed, kept)
        self._template = with_consumers(read_template(), consumers, deployed=deployed)
        named = file_parameters(self._file, self._template)
        self._parameters = without(named, kept) | self._stage_parameters(previous)

        drift = self._drift(kept)
        reverts_drift = bool(drift)
        if not self._adopts:
            self._change_set = self._create_change_set(reverts_drift=reverts_drift)
        return [
            *self._adoption_changes(),
            *parameter_changes(self._parameters, previous, self._template),
            *consumer_changes(deployed, self._template),
            *drift,
            *self._resource_changes(),
            *self._settings_of_zappas(kept),
        ]

    def changes_without_reductions(self) -> list[Change]:
        """Return the changes of this run, and keep each value that they would lower."""
        changes = self.changes()
        kept = reductions(changes)
        if not kept:
            return changes
        self.discard()
        return self.changes(kept=kept)

    @property
    def _adopts(self) -> bool:
        return bool(self._existing.lines(self._stage))

    def _find_existing(self, deployed: Template | None) -> Existing:
        """Find the resources that the stack must take over.

        A stage that moved to a restored table has a stack with another table, or with
        none after a run that was interrupted. A back end that the file names again may
        have a key.
        """
        if deployed is None:
            return find_existing(self._stage, self._file, self._client)

        resources = deployed["Resources"]
        table = self.stack.parameters().get("Table")
        existing = Existing()
        if TABLE not in resources or table != self._stage.table:
            existing = find_table(self._stage, self._client("dynamodb"))

        new = [
            consumer
            for consumer in self._file.consumers
            if f"{logical_prefix(consumer.name)}Key" not in resources
        ]
        if new:
            find_keys(existing, self._stage, new, self._client("apigateway"))
        return existing

    def _previous(self) -> Parameters:
        return self._existing.parameters | self.stack.parameters()

    def _stage_parameters(self, previous: Parameters) -> Parameters:
        environments = self._environments()
        account = str(self._client("sts").get_caller_identity()["Account"])
        needs: dict[str, Any] = {"account": account, "prune": self._prune}
        parameters = stage_parameters(
            self._stage,
            tables=tables_of(self._stage, environments, previous, **needs),
            secrets=secrets_of(
                self._stage,
                [self._next_environment(), *environments],
                previous,
                **needs,
            ),
        )
        return parameters | {"Api": self._api or ""}

    def _environments(self) -> list[dict[str, str]]:
        return environments_of(self._stage, self._client("lambda"))

    def _next_environment(self) -> dict[str, str]:
        """Return the variables of the next version, which may refer to secrets."""
        of_lambda = self._stage.settings.get("aws_environment_variables") or {}
        return {**of_lambda, **self._variables, **self._stage.environment}

    def _create_change_set(self, *, reverts_drift: bool) -> ChangeSet | None:
        exists = self.stack.description() is not None
        previous = self.stack.parameters()
        return self.stack.create_change_set(
            self._template,
            as_request(self._parameters, previous, self._template),
            kind="UPDATE" if exists else "CREATE",
            reverts_drift=reverts_drift,
        )

    def _adoption_changes(self) -> Iterator[Change]:
        for line in self._existing.lines(self._stage):
            yield Change(subject=line)

    def _drift(self, kept: list[Change]) -> list[Change]:
        description = self.stack.description()
        keeps_drift = any(change.name == DRIFT for change in kept)
        if description is None or keeps_drift:
            return []
        if description["StackStatus"] not in CAN_DETECT_DRIFT:
            return []
        return [_drift_change(drift) for drift in self.stack.drift()]

    def _resource_changes(self) -> Iterator[Change]:
        if self._change_set is None:
            return
        for change in self._change_set.changes:
            action = change["Action"].lower()
            if change.get("Replacement") == "True":
                action = "replace"
            yield Change(
                subject=f"{action} {change['LogicalResourceId']} "
                f"({change['ResourceType']})"
            )

    def _settings_of_zappas(self, kept: list[Change]) -> Iterator[Change]:
        """Yield the changes of Zappa's function and API, which no stack holds."""
        names = {change.name for change in kept}
        for change in self._all_settings_of_zappas():
            if not change.name or change.name not in names:
                yield change

    def _all_settings_of_zappas(self) -> Iterator[Change]:
        if self._api is None:
            return
        apigateway = self._client("apigateway")
        yield from concurrency_changes(self._stage, self._file, self._client("lambda"))
        yield from throttling_changes(self._stage, self._api, self._file, apigateway)
        yield from answer_changes(self._stage, self._api, apigateway)
        yield from route_changes(self._stage, self._api, self._file, apigateway)

    # --- the end of a run -------------------------------------------------------------

    def apply(self, changes: Iterable[Change], say: Say) -> None:
        """Apply the changes: adoption, the change set, then the settings of the API.

        A run that was interrupted is completed by the next one.
        """
        self.stack.check_is_stable()
        if self._adopts:
            self._adopt(say)
        if self._change_set is not None:
            say(f"The stack {self.stack.name} …")
            self.stack.execute(self._change_set)
            self.stack.protect()

        apply_all(changes, say=say)

    def _adopt(self, say: Say) -> None:
        """Import the existing resources, then prepare the update with the template."""
        existing = self._existing
        base = self._base_of_import(say)
        if existing.imported:
            imports = self.stack.create_change_set(
                existing.template(base),
                as_request({}, self.stack.parameters(), base),
                kind="IMPORT",
                imports=existing.requests(),
            )
            assert imports is not None
            say(f"The import into {self.stack.name} …")
            self.stack.execute(imports)

        delete_recreated(existing, self._stage, self._client)
        current = existing.parameters | self.stack.parameters()
        self._parameters = current | self._parameters
        self._change_set = self._create_change_set(reverts_drift=False)

    def _base_of_import(self, say: Say) -> Template:
        """Return the stack's template. A table that is replaced leaves the stack first.

        The table itself stays, since the template retains it.
        """
        deployed = self.stack.template()
        if deployed is None:
            return {"AWSTemplateFormatVersion": "2010-09-09"}
        if TABLE not in [resource.logical_id for resource in self._existing.imported]:
            return deployed

        base = without_table(deployed)
        previous = self.stack.parameters()
        release = self.stack.create_change_set(
            base, as_request({}, previous, base), kind="UPDATE"
        )
        if release is not None:
            say(f"The release of the table {previous['Table']} …")
            self.stack.execute(release)
        return base

    def discard(self) -> None:
        """Delete the change set, if there is one."""
        if self._change_set is not None:
            self.stack.discard(self._change_set)
            self._change_set = None


def _api_id(stage: Stage) -> str | None:
    api = api_of(stage, stage.client("apigateway"))
    return str(api["id"]) if api else None


def _consumers(
    consumers: Iterable[Consumer], deployed: Template | None, kept: list[Change]
) -> list[Consumer]:
    """Return the consumers, with the deployed limits of those that are kept."""
    names = {change.name for change in kept}
    return [
        _as_deployed(consumer, deployed) if _name_of(consumer) in names else consumer
        for consumer in consumers
    ]


def _as_deployed(consumer: Consumer, deployed: Template | None) -> Consumer:
    throttle = _throttle(consumer.name, deployed)
    return dataclasses.replace(
        consumer, rate=throttle["RateLimit"], burst=throttle["BurstLimit"]
    )


def _name_of(consumer: Consumer) -> str:
    return f"consumers.{consumer.name}"


def _throttle(name: str, template: Template | None) -> dict[str, Any]:
    resources = (template or {}).get("Resources", {})
    plan = resources.get(f"{logical_prefix(name)}Plan", {})
    throttle: dict[str, Any] = plan.get("Properties", {}).get("Throttle", {})
    return throttle


def consumer_changes(deployed: Template | None, template: Template) -> Iterator[Change]:
    """Yield the limits of back ends that change."""
    before = (deployed or {}).get("Resources", {})
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] != "AWS::ApiGateway::UsagePlan":
            continue

        name = resource["Properties"]["UsagePlanName"]["Fn::Sub"].partition("-")[2]
        throttle = before.get(logical_id, {}).get("Properties", {}).get("Throttle", {})
        for limit, value in resource["Properties"]["Throttle"].items():
            if throttle.get(limit) != value:
                yield Change(
                    subject=f"{limit} of {name}",
                    name=f"consumers.{name}",
                    before=throttle.get(limit),
                    after=value,
                    can_lower=True,
                )


def _drift_change(drift: Drift) -> Change:
    if not drift.path:
        return Change(subject=f"create {drift.resource} again, which was deleted")
    return Change(
        subject=f"put back {drift.resource} {drift.path}",
        name=DRIFT,
        before=_shortened(drift.actual),
        after=_shortened(drift.expected),
        can_lower=_is_capacity(drift),
    )


def _is_capacity(drift: Drift) -> bool:
    values = (drift.actual, drift.expected)
    are_numbers = all(value and re.fullmatch(r"[\d.]+", value) for value in values)
    return are_numbers and bool(CAPACITY_PATH.search(drift.path))


def _shortened(value: str | None) -> str | None:
    if value is None or len(value) <= MAX_SHOWN:
        return value
    return f"{value[:MAX_SHOWN]}…"


def unconfirmed(changes: Iterable[Change], confirmed: Iterable[str]) -> list[Change]:
    """Return the reductions that the operator has not confirmed by their names."""
    names = set(confirmed)
    return [change for change in reductions(changes) if change.name not in names]
