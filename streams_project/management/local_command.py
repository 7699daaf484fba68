"""The base of commands that need a DynamoDB.

Without a configured one, they start the embedded engine.
"""

import os
from collections.abc import Mapping
from typing import Any, override

from django.core.management.base import BaseCommand

from streams_project.configuration import reconfigure
from streams_project.local_dynamodb import (
    is_configured,
    shared_engine,
    without_proxy,
)


class LocalDynamoDBCommand(BaseCommand):
    """A command that uses the embedded DynamoDB unless another one is configured.

    `is_brief` commands stop the engine that they started when they end. They use
    Amazon's DynamoDB if this machine has a file of credentials.
    """

    is_brief = True
    has_own_engine = True

    def needs_dynamodb(self, options: Mapping[str, Any]) -> bool:
        """Return whether the command calls DynamoDB."""
        return True

    @override
    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command, with an engine if necessary."""
        is_ready = is_configured(use_credentials_files=self.is_brief)
        if is_ready or not self.needs_dynamodb(options):
            return super().execute(*args, **options)

        with shared_engine(is_brief=self.is_brief) as engine:
            self.has_own_engine = engine.is_own
            without_proxy(os.environ)
            reconfigure({"DYNAMODB_ENDPOINT": engine.endpoint})
            return super().execute(*args, **options)
