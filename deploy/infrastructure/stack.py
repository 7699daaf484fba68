"""A CloudFormation stack, as this project uses it: change sets, drift, deletion."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, WaiterError

NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
ABSENT = ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE")
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
SECONDS_BETWEEN_LOOKS = 2.0
MAX_LOOKS = 150
REVERT_DRIFT = "REVERT_DRIFT"
WAITERS = {
    "CREATE": "stack_create_complete",
    "UPDATE": "stack_update_complete",
    "IMPORT": "stack_import_complete",
}

type Description = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """A change set that can be executed, and the changes of resources that it makes."""

    id: str
    stack_id: str
    kind: str
    changes: list[Description]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A property that differs from the template. A deleted resource has no `path`."""

    resource: str
    path: str = ""
    expected: str | None = None
    actual: str | None = None


class Stack:
    """The stack of a stage. `client` is a boto3 client of CloudFormation."""

    def __init__(
        self,
        name: str,
        client: Any,
        *,
        service_role: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._client = client
        self._role = {"RoleARN": service_role} if service_role else {}
        self._sleep = sleep

    # --- the state --------------------------------------------------------------------

    def description(self) -> Description | None:
        """Return CloudFormation's description. None if the stack does not exist."""
        try:
            stacks = self._client.describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as exc:
            if "does not exist" in str(exc):
                return None
            raise
        (stack,) = stacks
        return None if stack["StackStatus"] in ABSENT else dict(stack)

    def parameters(self) -> dict[str, str]:
        """Return the values of the parameters. A stack that does not exist has none."""
        description = self.description() or {}
        return {
            parameter["ParameterKey"]: parameter["ParameterValue"]
            for parameter in description.get("Parameters", [])
        }

    def template(self) -> Description | None:
        """Return the deployed template."""
        if self.description() is None:
            return None
        answer = self._client.get_template(StackName=self.name)
        body = answer["TemplateBody"]
        template: Description = body if isinstance(body, dict) else json.loads(body)
        return template

    def resources(self) -> list[Description]:
        """Return the summaries of the stack's resources."""
        if self.description() is None:
            return []
        pages = self._client.get_paginator("list_stack_resources").paginate(
            StackName=self.name
        )
        return [item for page in pages for item in page["StackResourceSummaries"]]

    def check_is_stable(self) -> None:
        """Raise `LookupError` if a run is in progress, or an update needs a repair."""
        description = self.description()
        status = description["StackStatus"] if description else ""
        if status.endswith("IN_PROGRESS"):
            raise LookupError(
                f"Another run is changing the stack {self.name} ({status}). Wait for "
                "its end, then run this command again."
            )
        if status.endswith("FAILED"):
            raise LookupError(
                f"The stack {self.name} is {status}: {self.failures()}. Repair it in "
                "CloudFormation (continue-update-rollback), then run this again."
            )

    # --- change sets ------------------------------------------------------------------

    def create_change_set(
        self,
        template: Mapping[str, Any],
        parameters: list[dict[str, Any]],
        *,
        kind: str,
        imports: Iterable[Mapping[str, Any]] = (),
        reverts_drift: bool = False,
    ) -> ChangeSet | None:
        """Create a change set. Return None if it would change nothing.

        Raises:
            LookupError: if CloudFormation rejects it, with the reason.
        """
        options: dict[str, Any] = dict(self._role)
        if kind == "CREATE":
            options["OnStackFailure"] = "DELETE"
        if kind == "IMPORT":
            options["ResourcesToImport"] = list(imports)
        if reverts_drift:
            options["DeploymentMode"] = REVERT_DRIFT

        created = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"provision-{secrets.token_hex(6)}",
            ChangeSetType=kind,
            TemplateBody=json.dumps(template, separators=(",", ":")),
            Parameters=parameters,
            Capabilities=CAPABILITIES,
            **options,
        )
        return self._available(created["Id"], created["StackId"], kind)

    def _available(
        self, change_set_id: str, stack_id: str, kind: str
    ) -> ChangeSet | None:
        name = {"StackName": self.name, "ChangeSetName": change_set_id}
        try:
            self._client.get_waiter("change_set_create_complete").wait(**name)
        except WaiterError:
            reason = self._reason(name)
            self._client.delete_change_set(**name)
            if any(words in reason for words in NO_CHANGES):
                return None
            raise LookupError(
                f"CloudFormation rejects the changes of {self.name}: {reason}"
            ) from None

        pages = self._client.get_paginator("describe_change_set").paginate(**name)
        changes = [
            change["ResourceChange"] for page in pages for change in page["Changes"]
        ]
        return ChangeSet(
            id=change_set_id, stack_id=stack_id, kind=kind, changes=changes
        )

    def _reason(self, name: dict[str, str]) -> str:
        """Return why a change set failed. Another run that ended deletes it."""
        try:
            change_set = self._client.describe_change_set(**name)
        except self._client.exceptions.ChangeSetNotFoundException as exc:
            raise self._overtaken() from exc
        return str(change_set.get("StatusReason", ""))

    def _overtaken(self) -> LookupError:
        return LookupError(
            f"Another run changed the stack {self.name} meanwhile. Run this again."
        )

    def execute(self, change_set: ChangeSet) -> None:
        """Execute a change set, and wait for its end.

        Raises:
            LookupError: if the operation fails, with the resources and their reasons.
        """
        try:
            self._client.execute_change_set(
                StackName=self.name, ChangeSetName=change_set.id
            )
        except (
            self._client.exceptions.ChangeSetNotFoundException,
            self._client.exceptions.InvalidChangeSetStatusException,
        ) as exc:
            raise self._overtaken() from exc

        try:
            self._client.get_waiter(WAITERS[change_set.kind]).wait(StackName=self.name)
        except WaiterError as exc:
            reasons = self.failures(change_set.stack_id)
            raise LookupError(
                f"CloudFormation undid the changes of {self.name}: {reasons}"
            ) from exc

    def discard(self, change_set: ChangeSet) -> None:
        """Delete a change set, and the empty stack that one of a new stack leaves."""
        self._client.delete_change_set(StackName=self.name, ChangeSetName=change_set.id)
        if self.description() is None:
            self._client.delete_stack(StackName=self.name)

    def failures(self, stack_id: str = "") -> str:
        """Return the resources that failed last, each with its reason.

        A stack that was deleted is found by its id only.
        """
        answer = self._client.describe_stack_events(StackName=stack_id or self.name)
        reasons = [
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
            for event in answer["StackEvents"]
            if event["ResourceStatus"].endswith("FAILED")
            and event.get("ResourceStatusReason")
        ]
        return "; ".join(reasons[:3]) or "no reason was given"

    def protect(self) -> None:
        """Turn on termination protection."""
        self._client.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=True
        )

    def delete(self) -> None:
        """Delete the stack. The template retains the resources that hold data."""
        self._client.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=False
        )
        self._client.delete_stack(StackName=self.name, **self._role)
        self._client.get_waiter("stack_delete_complete").wait(StackName=self.name)

    # --- drift ------------------------------------------------------------------------

    def drift(self) -> list[Drift]:
        """Detect the properties that differ from the template.

        Raises:
            LookupError: if CloudFormation cannot read a resource.
        """
        detection = self._client.detect_stack_drift(StackName=self.name)
        self._wait_for_detection(detection["StackDriftDetectionId"])

        pages = self._paginated_drifts()
        return [drift for resource in pages for drift in _drifts_of(resource)]

    def _wait_for_detection(self, detection_id: str) -> None:
        for _ in range(MAX_LOOKS):
            status = self._client.describe_stack_drift_detection_status(
                StackDriftDetectionId=detection_id
            )
            if status["DetectionStatus"] == "DETECTION_FAILED":
                reason = status.get("DetectionStatusReason")
                raise LookupError(f"Drift of {self.name} is unknown: {reason}")
            if status["DetectionStatus"] == "DETECTION_COMPLETE":
                return
            self._sleep(SECONDS_BETWEEN_LOOKS)
        raise LookupError(f"The detection of drift of {self.name} does not end.")

    def _paginated_drifts(self) -> Iterable[Description]:
        token: dict[str, str] = {}
        while True:
            page = self._client.describe_stack_resource_drifts(
                StackName=self.name,
                StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
                **token,
            )
            yield from page["StackResourceDrifts"]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _drifts_of(resource: Description) -> list[Drift]:
    name = resource["LogicalResourceId"]
    if resource["StackResourceDriftStatus"] == "DELETED":
        return [Drift(resource=name)]
    return [
        Drift(
            resource=name,
            path=difference["PropertyPath"].lstrip("/"),
            expected=difference["ExpectedValue"],
            actual=difference["ActualValue"],
        )
        for difference in resource["PropertyDifferences"]
    ]
