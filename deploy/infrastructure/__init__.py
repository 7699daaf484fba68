"""Infrastructure of a stage: its CloudFormation stack, and settings of Zappa's API.

Zappa creates the function and the API. The stack (deploy/infrastructure.yaml) holds all
other resources of the stage: table, role, log group, web ACL, alarms, dashboard, API
keys and usage plans.

* `stage_file` reads deploy/wanted/STAGE.toml, and `parameters` maps it to the template.
* `stack` creates change sets and detects drift. `template` adds the back ends.
* `adoption` imports the resources of a stage that has no stack.
* `needs` finds the tables and secrets that the function's role must reach.
* `gateway`, `back_ends` and `function` compare the settings that no stack holds.
* `provisioning` is one run: the changes, shown and then applied.
"""

from deploy.infrastructure.adoption import delete_web_acl, find_web_acl
from deploy.infrastructure.alarms import alarm_names
from deploy.infrastructure.back_ends import PREFIX
from deploy.infrastructure.changes import Change, apply_all, as_text
from deploy.infrastructure.gateway import MEDIA_TYPE, answer_changes, api_of
from deploy.infrastructure.provisioning import Provisioning, stack_of, unconfirmed
from deploy.infrastructure.stage_file import Consumer, read_stage_file

__all__ = [
    "MEDIA_TYPE",
    "PREFIX",
    "Change",
    "Consumer",
    "Provisioning",
    "alarm_names",
    "answer_changes",
    "api_of",
    "apply_all",
    "as_text",
    "delete_web_acl",
    "find_web_acl",
    "read_stage_file",
    "stack_of",
    "unconfirmed",
]
