"""`manage.py plans`, whose comparison reads the events of this machine."""

from collections.abc import Iterable, Mapping
from typing import Any, override

from insights.arguments import now
from insights.sources import kept_here
from stages.management.commands import plans


class Command(plans.Command):
    """The app's command, with the events that `make run` keeps."""

    events_by_default = "the events of this machine"

    @override
    def events(self, file: str | None) -> Iterable[Mapping[str, Any]]:
        if file is None:
            return kept_here(since=0, until=now() + 1, user=None)
        return super().events(file)
