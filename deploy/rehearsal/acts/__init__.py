"""Acts of the rehearsal, in order. Each raises if a promise of docs/deploy.md fails.

The docstring of an act names the trap that it guards against.
"""

from collections.abc import Callable

from deploy.rehearsal.acts.infrastructure import (
    a_change_by_hand,
    a_first_deployment,
    a_reduction,
    a_second_deployment,
    an_undeployment,
    two_operators,
)
from deploy.rehearsal.acts.releases import (
    a_bad_update,
    a_look_from_outside,
    a_rotation_of_keys,
    a_version_that_fails_its_check,
    an_unset,
    an_update_under_traffic,
    the_way_back,
)
from deploy.rehearsal.stage import Rehearsal

type Act = Callable[[Rehearsal], None]

ACTS: tuple[Act, ...] = (
    a_first_deployment,
    a_look_from_outside,
    a_change_by_hand,
    a_reduction,
    two_operators,
    an_update_under_traffic,
    the_way_back,
    a_bad_update,
    a_version_that_fails_its_check,
    a_rotation_of_keys,
    an_unset,
    an_undeployment,
    a_second_deployment,
)
