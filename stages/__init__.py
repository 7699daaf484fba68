"""The stages of `zappa_settings.json`, for every tool that works on a deployed stage.

A stage is one deployment of the service, such as `test` or `production`. Deployment,
insights and the operator's commands import this package. It does not ship.
"""

from stages.lookup import (
    ALIAS,
    PROJECT,
    SETTINGS,
    Stage,
    group_of,
    stage_of,
    stages,
)
from stages.references import resolve
from stages.values import comma_separated

__all__ = [
    "ALIAS",
    "PROJECT",
    "SETTINGS",
    "Stage",
    "comma_separated",
    "group_of",
    "resolve",
    "stage_of",
    "stages",
]
