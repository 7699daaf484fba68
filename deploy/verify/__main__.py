"""`python -m deploy.blackbox URL`: exit status 0 where everything holds, 1 where not, 2 for a bad call."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from deploy.blackbox.caller import DeployedService
from deploy.blackbox.report import report

LOCAL = "http://127.0.0.1:8000"
"""What `make run` serves."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `manage.py verify` takes too."""
    parser.add_argument(
        "url",
        nargs="?",
        default=LOCAL,
        type=url,
        metavar="URL",
        help=f"{LOCAL} unless given",
    )
    parser.add_argument(
        "--api-key",
        default=os.environ.get("VERIFY_API_KEY"),
        help="of an operator (streams:operate; with streams:admin users are forgotten too); or VERIFY_API_KEY",
    )
    parser.add_argument(
        "--token",
        default=os.environ.get("VERIFY_TOKEN"),
        help="bearer token of a viewer who plays nothing; or VERIFY_TOKEN",
    )
    parser.add_argument(
        "--origin", type=url, help="an origin of web players, which has to be allowed"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=15,
        help="seconds that a lease may take to end (15)",
    )
    at_once: dict[str, Any] = {
        "choices": range(2, 101),
        "metavar": "N",
        "help": "starts that race (16)",
    }
    parser.add_argument("--at-once", type=int, default=16, **at_once)
    parser.add_argument(
        "--slow-ms",
        type=float,
        default=1000,
        help="how slow 95 of 100 heartbeats may be (1000)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        dest="is_json",
        help="one JSON object instead of a table",
    )


def url(text: str) -> str:
    """An http(s) URL without its last slash. Raises `argparse.ArgumentTypeError`."""
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(
            f"{text} is no URL such as https://streams.example.com"
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
    """Try a deployment; whether everything holds."""
    deployment = DeployedService(url=url, patience_seconds=patience, **options)
    with deployment.client:
        try:
            return report(deployment, write, is_json=is_json)
        except KeyboardInterrupt:
            with suppress(Exception):
                list(deployment.leave())
            raise


def main(words: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.blackbox", description="Tries a deployment from outside."
    )
    add_arguments(parser)

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    return 0 if verify(write, **vars(parser.parse_args(words))) else 1


if __name__ == "__main__":
    sys.exit(main())
