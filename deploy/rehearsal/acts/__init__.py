"""Acts of the rehearsal, in order. Each raises if a promise of docs/deploy.md fails.

The docstring of an act names the trap that it guards against. The acts of a group work
on the state that the act before left; each group begins with a deployment.
"""

from collections.abc import Callable

from deploy.rehearsal.acts.bad_days import (
    a_canary_without_its_watcher,
    a_poison_record,
    a_restore_from_a_backup,
    a_stopped_service,
    an_upload_that_is_corrupt,
    credentials_that_expire,
)
from deploy.rehearsal.acts.credentials import (
    a_rotation_of_keys,
    an_issuer_that_moves,
    an_unset,
    starts_that_are_all_refused,
)
from deploy.rehearsal.acts.infrastructure import (
    a_change_by_hand,
    a_deployment_by_zappa_alone,
    a_first_deployment,
    a_look_from_outside,
    a_new_account,
    a_reduction,
    an_undeployment,
    an_update_under_traffic,
    commands_of_zappa,
    two_operators,
)
from deploy.rehearsal.acts.releases import (
    a_bad_update,
    a_version_that_fails_its_check,
    code_that_was_taken_back,
    the_way_back,
    two_releases,
)
from deploy.rehearsal.stage import Rehearsal

type Act = Callable[[Rehearsal], None]

INFRASTRUCTURE: tuple[Act, ...] = (
    a_new_account,
    a_first_deployment,
    a_look_from_outside,
    a_change_by_hand,
    a_reduction,
    two_operators,
    an_update_under_traffic,
    commands_of_zappa,
    an_undeployment,
)
RELEASES: tuple[Act, ...] = (
    a_deployment_by_zappa_alone,
    the_way_back,
    code_that_was_taken_back,
    two_releases,
    a_bad_update,
    a_version_that_fails_its_check,
    a_rotation_of_keys,
    a_canary_without_its_watcher,
    an_upload_that_is_corrupt,
    credentials_that_expire,
    a_stopped_service,
    a_poison_record,
    starts_that_are_all_refused,
    an_issuer_that_moves,
    an_unset,
    a_restore_from_a_backup,
)
ACTS = INFRASTRUCTURE + RELEASES
