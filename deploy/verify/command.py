"""The command of `python -m deploy.verify` and of `manage.py verify`.

The exit status is 0 if every check passes, 1 if one fails, and 2 for invalid arguments.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from deploy.verify.report import report
from deploy.verify.service import DeployedService

MAX_NUMBER = 3_600_000
LOCAL = "http://127.0.0.1:8000"
"""The URL that `make run` serves."""


def positive(text: str) -> float:
    """Parse the value of an option: a number above 0, at most 3,600,000."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= MAX_NUMBER:
        raise argparse.ArgumentTypeError(f"{text[:32]!r} is not a number above 0")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments, which `manage.py verify` accepts too."""
    parser.add_argument(
        "url",
        nargs="?",
        default=LOCAL,
        type=url,
        metavar="URL",
        help=f"of the deployment ({LOCAL})",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("VERIFY_API_KEY"),
        help=(
            "of an operator (streams:operate; with streams:admin the check also erases "
            "its users); or VERIFY_API_KEY"
        ),
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("VERIFY_TOKEN"),
        help="bearer token of a viewer who plays nothing; or VERIFY_TOKEN",
    )
    parser.add_argument(
        "--origin",
        type=url,
        help="an origin of web players, which must be allowed",
    )
    parser.add_argument(
        "--patience",
        type=positive,
        default=15,
        help="seconds to wait for a lease to expire (15)",
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=16,
        choices=range(2, 101),
        metavar="N",
        help="number of concurrent starts (16)",
    )
    parser.add_argument(
        "--slow-ms",
        type=positive,
        default=1000,
        help="limit for the 95th percentile of heartbeats (1000)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        dest="is_json",
        help="one JSON object instead of a table",
    )


def url(text: str) -> str:
    """Parse an http(s) URL and return it without a trailing slash.

    Raises:
        argparse.ArgumentTypeError: the text is not such a URL.
    """
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(
            f"{text} is not a URL such as https://streams.example.com"
        )
    return text.rstrip("/")


def verify(
    write: Callable[[str], object],
    *,
    url: str,
    is_json: bool,
    patience: float,
    **options: Any,
) -> bool:
    """Check a deployment and return whether every check passed or was skipped.

    An interrupted check ends the streams that it started.
    """
    service = DeployedService(url=url, patience_seconds=patience, **options)
    with service.client:
        try:
            return report(service, write, is_json=is_json)
        except KeyboardInterrupt:
            with suppress(Exception):
                list(service.clean_up())
            raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.verify",
        description="Checks a deployment from outside.",
    )
    add_arguments(parser)
    options = vars(parser.parse_args(arguments))

    return 0 if verify(_write, **options) else 1


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
