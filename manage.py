#!/usr/bin/env python
"""Django's command line. Commands that need DynamoDB get a local one when none is configured."""

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streams_project.settings")
OF_WHO_DEPLOYS = Path(__file__).parent / "deploy" / "management" / "commands"
OF_OPERATORS = ("streams", "limit")


def main() -> None:
    """Run one command."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in OF_OPERATORS:
        from deploy.operators import named, say_where, work_on

        if stage := named(sys.argv[2:]):
            work_on(stage)
    is_local = command in ("runserver", "test", *OF_OPERATORS) or (OF_WHO_DEPLOYS / f"{command}.py").is_file()
    if is_local and not os.environ.get("DEBUG"):
        os.environ["DEBUG"] = "1"
    from streams_project.local_dynamodb import local_dynamodb

    with local_dynamodb(command):
        if command in OF_OPERATORS and not {"-h", "--help"} & set(sys.argv):
            say_where()
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
