"""A release of a stage: its checks, its environment, its versions and the way back.

* `hooks` are Zappa's callbacks, and `deployment` prepares a deployment for them.
* `preflight` finds problems before a deployment changes anything in AWS.
* `environment` is the environment that a function will have.
* `versions` moves the traffic between published versions.
* `leftovers` lists what an undeployed stage leaves in the account.
* `first_format` converts items for a rollback to version 1.0.
"""

from deploy.releases.versions import VERSIONS_KEPT, Live, NotFit, Versions

__all__ = ["VERSIONS_KEPT", "Live", "NotFit", "Versions"]
