"""`manage.py versions STAGE`: every version of the function, and which one has the traffic."""

from typing import Any

from deploy.management.stages import StageCommand, in_sentences
from deploy.versions import Versions


class Command(StageCommand):
    """List the versions."""

    help = "Lists the published versions of STAGE, the newest first: what each is, and what has the traffic."

    def handle(self, *args: Any, **options: Any) -> None:
        stage = self.stage(options)
        with in_sentences():
            for line in Versions(stage, stage.client("lambda")).lines():
                self.stdout.write(line)
