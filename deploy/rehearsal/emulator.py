"""An emulated AWS on loopback that keeps no state: ministack, with corrections.

ministack starts functions in its own Python, with all installed packages, so that a
package without Django would answer. Here that Python is isolated (`-I -S`), as Lambda's
is. `emulated_resources` and `emulated_drift` complete its CloudFormation, and
`emulated_functions` its Lambda.

Its IAM checks the policies of each caller except of the access key `test`, which is the
account's root. It checks no rights that CloudFormation itself needs. It has no WAF in
front of the API, no weighted aliases, no snapshots, and few answers of API Gateway.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.loaders import Loader

from streams_project.local_dynamodb import engine, run_engine

SERVICES = (
    "apigateway",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "events",
    "iam",
    "lambda",
    "logs",
    "s3",
    "scheduler",
    "secretsmanager",
    "ssm",
    "sts",
    "wafv2",
)
WAITERS = {"cloudformation": "2010-05-15", "lambda": "2015-03-31"}
"""Services whose waiters are shortened, and the versions of their APIs."""
SECONDS_BETWEEN_LOOKS = 0.2


@contextmanager
def emulated_aws(*services: str) -> Iterator[str]:
    """Run an emulator, and yield its URL. It ends with the process that started it."""
    with (
        tempfile.TemporaryDirectory(prefix="aws-") as folder,
        engine(
            Path(folder),
            keep=False,
            services=services or SERVICES,
            module="deploy.rehearsal.emulator",
        ) as endpoint,
    ):
        yield endpoint


def impatient_waiters(folder: Path) -> Path:
    """Write waiters for `AWS_DATA_PATH` that look every fifth of a second.

    The emulator finishes at once, and Amazon's waiters sleep for up to 30 seconds.
    """
    for service, version in WAITERS.items():
        waiters = Loader().load_service_model(service, "waiters-2")
        for waiter in waiters["waiters"].values():
            waiter["delay"] = SECONDS_BETWEEN_LOOKS

        path = folder / service / version / "waiters-2.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(waiters))
    return folder


def main() -> None:
    """Run the emulator's process."""
    isolated = Path(os.environ["STATE_DIR"]) / "python"
    isolated.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    isolated.chmod(0o755)
    sys.executable = str(isolated)  # ministack starts functions with it

    os.environ.pop("DEBUG", None)  # functions inherit this environment
    os.environ["AUTH"] = "true"  # the policies of deployer and function apply
    _complete_cloudformation()
    _complete_lambda()
    run_engine()


def _complete_lambda() -> None:
    if "lambda" in os.environ["SERVICES"].split(","):
        from deploy.rehearsal import emulated_functions

        emulated_functions.register()


def _complete_cloudformation() -> None:
    """Register the corrections. ministack reads `AUTH` when it is imported."""
    if "cloudformation" not in os.environ["SERVICES"].split(","):
        return
    from deploy.rehearsal import emulated_drift, emulated_resources

    emulated_resources.register()
    emulated_drift.register()


if __name__ == "__main__":
    main()
