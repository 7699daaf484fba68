"""A canary: a share of the traffic for a version, and the end of it.

The command watches the stage's alarms. A one-time schedule of Amazon EventBridge takes
the share back after the canary's end, so that the split does not outlive a machine that
is lost. The schedule acts only on the alias as this canary left it.
"""

import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import ClientError

from deploy.infrastructure import alarm_names
from deploy.releases.versions import NO_WEIGHTS, Live, NotFit, Overtaken, Versions
from stages import ALIAS, Stage

UPDATE_ALIAS = "arn:aws:scheduler:::aws-sdk:lambda:updateAlias"
SECONDS_BETWEEN_LOOKS = 15
GRACE = timedelta(minutes=1)
"""The time after a canary's end until the schedule takes the split back."""
MIN_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Canary:
    """The share of the traffic that a version receives first, and for how long."""

    share: float
    minutes: float


def parse_share(text: str) -> float:
    """Return the share that `5%` describes.

    Raises:
        ValueError: it is not a share from 1% to 100%.
    """
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = 0.0
    if not MIN_SHARE <= share <= 1:
        raise ValueError(f"The canary is {text!r}, not a share from 1% to 100%.")
    return share


def check_alarms(stage: Stage) -> None:
    """Raise `LookupError` if no alarm would end a canary."""
    if not alarm_names(stage, stage.client("cloudwatch")):
        raise LookupError(
            "No alarm would end the canary: manage.py provision "
            f"{stage.name} sets them."
        )


def try_out(
    stage: Stage,
    versions: Versions,
    version: str,
    before: Live,
    canary: Canary,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Live:
    """Give a version a share of the traffic, and return the alias after the time.

    The share ends if an alarm fires or the process is interrupted.

    Raises:
        NotFit: with the alarms.
        Overtaken: another release moved the traffic.
    """
    with _Schedule(stage, canary) as schedule:
        split = versions.promote(version, before, share=canary.share)
        try:
            schedule.follow(split)
            _watch(stage, before, canary, sleep)
        except BaseException:
            with suppress(Overtaken):
                versions.end_canary(split)
            raise
        return versions.promote(version, split)


def _watch(
    stage: Stage, before: Live, canary: Canary, sleep: Callable[[float], None]
) -> None:
    """Wait for the end of a canary, or raise `NotFit` when an alarm fires."""
    cloudwatch = stage.client("cloudwatch")
    seconds = canary.minutes * 60
    between = min(SECONDS_BETWEEN_LOOKS, seconds)
    for _ in range(max(1, round(seconds / between))):
        sleep(between)
        alarms = alarm_names(stage, cloudwatch, StateValue="ALARM")
        if alarms:
            raise NotFit(
                f"The canary ended, version {before.version} has all traffic: "
                f"{', '.join(alarms)}"
            )


class _Schedule:
    """The one-time schedule that takes the split back if the watcher is lost.

    Its role is in deploy/account.yaml. It deletes itself after it ran.
    """

    def __init__(self, stage: Stage, canary: Canary) -> None:
        self._stage = stage
        self._client = stage.client("scheduler")
        self._name = f"{stage.function[:48]}-canary-{secrets.token_hex(4)}"
        self._at = datetime.now(UTC) + timedelta(minutes=canary.minutes) + GRACE

    def __enter__(self) -> Self:
        try:
            self._client.create_schedule(**self._request({}))
        except ClientError as exc:
            raise LookupError(
                "The schedule that would end the canary after the loss of this machine "
                f"cannot be created: {exc}. Its role is in deploy/account.yaml: update "
                "that stack. No traffic was moved."
            ) from exc
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A schedule that stays finds another revision of the alias.
        with suppress(ClientError):
            self._client.delete_schedule(Name=self._name)

    def follow(self, split: Live) -> None:
        """Let the schedule act only on the alias as the canary made it."""
        self._client.update_schedule(**self._request({"RevisionId": split.revision}))

    def _request(self, condition: dict[str, str]) -> dict[str, Any]:
        update = {
            "FunctionName": self._stage.function,
            "Name": ALIAS,
            "RoutingConfig": NO_WEIGHTS,
            **condition,
        }
        return {
            "Name": self._name,
            "ScheduleExpression": f"at({self._at:%Y-%m-%dT%H:%M:%S})",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": UPDATE_ALIAS,
                "RoleArn": self._role(),
                "Input": json.dumps(update),
            },
        }

    def _role(self) -> str:
        account = self._stage.client("sts").get_caller_identity()["Account"]
        project = self._stage.settings["project_name"]
        return f"arn:aws:iam::{account}:role/canary-{project}-{self._stage.region}"
