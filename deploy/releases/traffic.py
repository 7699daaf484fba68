"""Gives the traffic to a checked version, and takes it back if viewers fail.

A release and `manage.py promote` move the traffic in the same way: after a canary if
one is wanted, then all of it, then a viewer tries the URL.
"""

import os
from collections.abc import Callable

from deploy.infrastructure import api_of
from deploy.releases.canary import Canary, check_alarms, try_out
from deploy.releases.trial import Credentials, address_of, try_url
from deploy.releases.versions import Live, NotFit, Versions
from stages import Stage

type Say = Callable[[str], object]


def move_traffic(
    stage: Stage,
    version: str,
    before: Live | None,
    *,
    canary: Canary | None,
    credentials: Credentials,
    say: Say,
) -> None:
    """Give the traffic to a version that passed its checks.

    `before` is the state of the alias when the release began.

    Raises:
        NotFit: an alarm ended the canary, or a viewer failed. The version before has
            the traffic.
        Overtaken: another release moved the traffic.
        LookupError: no alarm, or no schedule, would end the canary.
    """
    versions = Versions(stage, stage.client("lambda"))
    if canary is not None and before is not None:
        check_alarms(stage)
        say(
            f"Version {version} tries {canary.share:.0%} of the traffic for "
            f"{canary.minutes:g} minutes."
        )
        promoted = try_out(stage, versions, version, before, canary)
    else:
        promoted = versions.promote(version, before)

    _try_from_outside(stage, versions, promoted, before, credentials)
    say(f"Version {version} is live.")


def _try_from_outside(
    stage: Stage,
    versions: Versions,
    promoted: Live,
    before: Live | None,
    credentials: Credentials,
) -> None:
    """Try the URL as a viewer. Give the traffic back if that fails."""
    api = api_of(stage, stage.client("apigateway"))
    url = os.environ.get("VERIFY_URL") or (api and address_of(stage, api))
    if not url:
        return
    try:
        try_url(url, credentials)
    except NotFit as exc:
        if before is None:
            raise
        versions.undo(promoted, before)
        raise NotFit(f"{exc}\nVersion {before.version} has the traffic again.") from exc
