"""Checks a deployment from outside, over HTTP, and leaves nothing behind.

    python -m deploy.verify https://streams.example.com

The command needs Python and httpx only. `service` sends the requests, `checks` are the
promises of the service, and `report` prints the results.

`account` checks a deployed stage inside its AWS account, for `manage.py verify_stage`.
It needs more packages, so it is imported by its own name.
"""

from deploy.verify.command import add_arguments, main, verify
from deploy.verify.service import DeployedService

__all__ = ["DeployedService", "add_arguments", "main", "verify"]
