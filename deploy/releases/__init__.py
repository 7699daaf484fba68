"""A release of a stage: its checks, its environment, its versions and the way back.

* `hooks` are Zappa's callbacks, and `deployment` prepares a deployment for them.
* `preflight` finds problems before a deployment changes anything in AWS.
* `environment` is the environment that a function will have.
* `versions` moves the traffic between published versions.
* `leftovers` lists what an undeployed stage leaves in the account.
* `first_format` converts items for a rollback to version 1.0.

Zappa imports `hooks` by its own name.
"""

from deploy.releases.environment import changes, shell_variables
from deploy.releases.first_format import rewrite_items
from deploy.releases.leftovers import Leftover, find_leftovers
from deploy.releases.preflight import check_deployment
from deploy.releases.versions import VERSIONS_KEPT, Live, NotFit, Versions

__all__ = [
    "VERSIONS_KEPT",
    "Leftover",
    "Live",
    "NotFit",
    "Versions",
    "changes",
    "check_deployment",
    "find_leftovers",
    "rewrite_items",
    "shell_variables",
]
