"""An AWS on loopback that keeps nothing: ministack, whose functions find the package and nothing else.

It runs a function in a Python of its own, by default with all that is installed there, so that a package without Django
would answer. Here that Python is started isolated (`-I -S`), as Lambda's is but for what Lambda brings along.

Its IAM holds everyone to policies, but for the access key `test`, which is the account's root. What it does not have:
WAF in front of the API, a share of an alias's traffic, snapshots, and some of API Gateway's own answers.
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

LAMBDAS_API = "2015-03-31"

SERVICES = (
    "apigateway", "cloudformation", "cloudwatch", "dynamodb", "events", "iam", "lambda", "logs", "s3", "secretsmanager",
    "ssm", "sts", "wafv2",
)  # fmt: skip


@contextmanager
def emulated_aws(*services: str) -> Iterator[str]:
    """By its URL. It ends with its starter, however that ends."""
    with (
        tempfile.TemporaryDirectory(prefix="aws-") as folder,
        engine(
            Path(folder),
            keep=False,
            services=services or SERVICES,
            module="deploy.emulator",
        ) as endpoint,
    ):
        yield endpoint


def impatient_waiters(folder: Path) -> Path:
    """A folder for `AWS_DATA_PATH`, where boto3 finds Lambda's waiters looking every fifth of a second: the emulator is
    done in a moment, and Amazon's would sleep for up to five seconds each time."""
    waiters = Loader().load_service_model("lambda", "waiters-2")
    for waiter in waiters["waiters"].values():
        waiter["delay"] = 0.2
    path = folder / "lambda" / LAMBDAS_API / "waiters-2.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(waiters))
    return folder


def main() -> None:
    """What the emulator's own process does."""
    isolated = Path(os.environ["STATE_DIR"]) / "python"
    isolated.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    isolated.chmod(0o755)
    os.environ.pop("DEBUG", None)  # functions inherit this environment
    os.environ["AUTH"] = (
        "true"  # policies hold: who deploys, and the function, may do what theirs allow
    )
    sys.executable = str(isolated)  # which ministack starts functions with
    run_engine()


if __name__ == "__main__":
    main()
