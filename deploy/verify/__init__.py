"""Checks a deployment from outside, over HTTP, and leaves nothing behind.

    python -m deploy.verify https://streams.example.com

The command needs Python and httpx only. `service` sends the requests, `checks` are the
promises of the service, and `report` prints the results.
"""

from deploy.verify.checks import first_failure
from deploy.verify.command import add_arguments, main, verify
from deploy.verify.service import DeployedService

__all__ = ["DeployedService", "add_arguments", "first_failure", "main", "verify"]
