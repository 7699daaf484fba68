"""A release of a stage: its checks, its environment, its versions and the way back.

* `hooks` are Zappa's callbacks, and `deployment` prepares a deployment for them.
* `preflight` finds problems before a deployment changes anything in AWS.
* `environment` is the environment that a function will have.
* `rotation` finds keys that a release would take away.
* `versions` publishes versions, and moves the alias between them.
* `trial` tries a version as a viewer; `canary` gives it a share of the traffic for a
  time; `traffic` puts both together.
* `account` checks a deployed stage in its AWS account.
* `leftovers` lists what an undeployed stage leaves in the account.
* `first_format` converts items for a rollback to version 1.0.

Zappa imports `hooks` by its own name.
"""

from deploy.releases.account import verify_account
from deploy.releases.canary import Canary, parse_share
from deploy.releases.deployment import confirm_order, confirm_token_loss
from deploy.releases.environment import changes, shell_variables
from deploy.releases.first_format import rewrite_items
from deploy.releases.leftovers import Leftover, find_leftovers
from deploy.releases.preflight import check_deployment
from deploy.releases.traffic import move_traffic
from deploy.releases.trial import Credentials, address_of, viewer_token
from deploy.releases.versions import VERSIONS_KEPT, Live, NotFit, Versions

__all__ = [
    "VERSIONS_KEPT",
    "Canary",
    "Credentials",
    "Leftover",
    "Live",
    "NotFit",
    "Versions",
    "address_of",
    "changes",
    "check_deployment",
    "confirm_order",
    "confirm_token_loss",
    "find_leftovers",
    "move_traffic",
    "parse_share",
    "rewrite_items",
    "shell_variables",
    "verify_account",
    "viewer_token",
]
