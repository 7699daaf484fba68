"""`manage.py versions STAGE`: the versions of the function and their traffic."""

from typing import Any

from deploy.releases import Versions
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """Lists the versions."""

    help = (
        "Lists the published versions of STAGE, the newest first, with their release "
        "and the one that has the traffic."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        with readable_errors():
            for line in Versions(stage, stage.client("lambda")).lines():
                self.stdout.write(line)
