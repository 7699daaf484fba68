"""Acts about bad days: what breaks in the middle of a release, and after it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import zappa.core
from botocore.exceptions import ClientError

from deploy.rehearsal.acts.releases import (
    NO_UPLOAD,
    environment_of_live,
    live,
)
from deploy.rehearsal.stage import STAGE, Rehearsal, expect
from deploy.rehearsal.viewers import FILM, smoke_test
from deploy.releases import Versions

UPDATE = ("update", STAGE, *NO_UPLOAD)


def a_canary_without_its_watcher(rehearsal: Rehearsal) -> None:
    """A schedule takes the split back when the machine that watches it is lost.

    Trap: the split remained until an operator looked at the versions.
    """
    before = live(rehearsal)
    held = rehearsal.zappa(*UPDATE, HOLD="1")
    version = held.partition("manage.py promote ")[2].split()[1]
    canary = ("promote", STAGE, version, "--canary", "50%", "--minutes", "10")
    watcher = rehearsal.start(*canary)
    _wait_until(lambda: live(rehearsal).canary == version)
    watcher.kill()
    watcher.wait()

    scheduler = rehearsal.client("scheduler")
    (summary,) = scheduler.list_schedules()["Schedules"]
    schedule = scheduler.get_schedule(Name=summary["Name"])
    expect(schedule["ActionAfterCompletion"], "DELETE")
    expect(schedule["Target"]["RoleArn"], rehearsal.account["CanaryRole"])

    # The emulator does not run updateAlias by a schedule.
    rehearsal.client("lambda").update_alias(**json.loads(schedule["Target"]["Input"]))
    expect(live(rehearsal), before)
    scheduler.delete_schedule(Name=summary["Name"])


def an_upload_that_is_corrupt(rehearsal: Rehearsal) -> None:
    """Code that is not the checked package gets no version.

    Trap: the version was the newest code in the bucket, checked or not.
    """
    before = live(rehearsal)
    upload = zappa.core.Zappa.upload_to_s3

    def upload_and_damage(self: Any, path: str, bucket: str, **options: Any) -> Any:
        if path.endswith(".zip"):
            with Path(path).open("ab") as archive:
                archive.write(b"\0")
        return upload(self, path, bucket, **options)

    with patch.object(zappa.core.Zappa, "upload_to_s3", upload_and_damage):
        output = rehearsal.refused("update", STAGE)
    assert "has another code than this release gave it" in output, output
    expect(live(rehearsal), before)


def credentials_that_expire(rehearsal: Rehearsal) -> None:
    """A release that ends between two steps leaves the live version as it was.

    Trap: the next update began with the environment of the release that had ended.
    """
    before = live(rehearsal)
    expired = ClientError(
        {"Error": {"Code": "ExpiredTokenException", "Message": "expired"}},
        "PublishVersion",
    )
    rehearsal.set_lambda_variables(LEFT="1")
    with patch.object(Versions, "publish", side_effect=expired):
        output = rehearsal.refused("update", STAGE)
    rehearsal.set_lambda_variables(LEFT=None)
    assert "Renew the credentials if they expired" in output, output
    expect(live(rehearsal), before)

    rehearsal.zappa("update", STAGE)
    assert "LEFT" not in environment_of_live(rehearsal)


def a_stopped_service(rehearsal: Rehearsal) -> None:
    """A reserved concurrency of 0 stops the service, and no release starts it again.

    Amazon's Lambda then refuses each invocation, so that the version fails its check.

    Trap: an update set the reserved concurrency of the stage in an incident.
    """
    client, name = (
        rehearsal.client("lambda"),
        {"FunctionName": rehearsal.stage.function},
    )
    reserved = client.get_function_concurrency(**name)["ReservedConcurrentExecutions"]
    client.put_function_concurrency(**name, ReservedConcurrentExecutions=0)
    output = rehearsal.zappa(*UPDATE)
    assert "Reserved concurrency stays at 0" in output, output
    expect(client.get_function_concurrency(**name)["ReservedConcurrentExecutions"], 0)
    client.put_function_concurrency(**name, ReservedConcurrentExecutions=reserved)


def a_poison_record(rehearsal: Rehearsal) -> None:
    """An item that cannot be read fails one user, and an operator erases it.

    Trap: the service answered 500 for ever, and only a script with rights to the table
    could help.
    """
    poison = {"user_id": {"S": "poison"}, "l": {"S": "no map"}, "version": {"N": "1"}}
    rehearsal.client("dynamodb").put_item(
        TableName=str(rehearsal.stage.table), Item=poison
    )
    with rehearsal.api() as api:
        failed = api.post("/users/poison/streams", json=FILM)
        expect((failed.status_code, failed.json()["type"]), (503, "item-unreadable"))
        smoke_test(api)

        rehearsal.manage_in_stage("streams forget poison --force --yes")
        expect(api.post("/users/poison/streams", json=FILM).status_code, 201)


def a_restore_from_a_backup(rehearsal: Rehearsal) -> None:
    """A restored table replaces the damaged one, and the way back stays open.

    Trap: the role forgot the table of the version before, and `promote` was refused.
    """
    before = live(rehearsal)
    table = str(rehearsal.stage.table)
    rehearsal.client("dynamodb").restore_table_to_point_in_time(
        SourceTableName=table,
        TargetTableName=f"{table}-restored",
        UseLatestRestorableTime=True,
    )
    rehearsal.set_variables(DYNAMODB_TABLE=f"{table}-restored")
    output = rehearsal.zappa("update", STAGE, CANARY="50%", MINUTES="0.01")
    assert f"adopt the table {table}-restored" in output, output
    with rehearsal.api() as api:
        smoke_test(api)

    rehearsal.manage("promote", STAGE, before.version)
    expect(live(rehearsal).version, before.version)
    with rehearsal.api() as api:
        smoke_test(api)


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("It does not come true.")
        time.sleep(0.1)
