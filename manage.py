#!/usr/bin/env python
"""Django's command line. Commands that need DynamoDB get a local one when none is configured."""

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")
NEVER_SHIPPED = [
    Path(__file__).parent / app / "management" / "commands"
    for app in ("capacity", "deploy", "insights", "streams_project")
]
OF_OPERATORS = ("streams", "limit")


def main() -> None:
    """Run one command."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if sys.argv[1:3] == ["plans", "try"]:
        command = "streams"  # it reads a user's, as that does
    if command in OF_OPERATORS:
        from stages.operators import say_where, stage_named_in, work_on

        if stage := stage_named_in(sys.argv[2:]):
            work_on(stage)
    is_local = any((folder / f"{command}.py").is_file() for folder in NEVER_SHIPPED)
    if (is_local or command in ("test", *OF_OPERATORS)) and not os.environ.get("DEBUG"):
        os.environ["DEBUG"] = "1"
    from streams_project.local_dynamodb import local_dynamodb

    with local_dynamodb(command):
        if command in OF_OPERATORS and not {"-h", "--help"} & set(sys.argv):
            say_where()
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
