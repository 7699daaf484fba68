"""`manage.py versions STAGE`: every version of the function, and which one has the traffic."""

from typing import Any

from deploy.versions import Versions
from stages.commands import StageCommand, readable_errors


class Command(StageCommand):
    """List the versions."""

    help = "Lists the published versions of STAGE, the newest first: what each is, and what has the traffic."

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        with readable_errors():
            for line in Versions(stage, stage.client("lambda")).lines():
                self.stdout.write(line)
