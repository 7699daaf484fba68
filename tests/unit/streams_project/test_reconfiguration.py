"""A command that changes the environment keeps the settings that it does not change."""

import json
import subprocess
import sys

from streams_project.cross_origin import ALLOWED_HEADERS
from tests.servers import PROJECT

COMPARE = """
import json
import django
from django.conf import settings

from streams_project.configuration import reconfigure

def all_settings():
    return {name: repr(getattr(settings, name)) for name in dir(settings)
            if name.isupper()}

django.setup()
before = all_settings()
reconfigure({"DYNAMODB_ENDPOINT": "http://127.0.0.1:8002"})
after = all_settings()
print(json.dumps({
    "changed": [name for name in after if after[name] != before.get(name)],
    "headers": settings.CORS_ALLOW_HEADERS,
}))
"""


def test_a_new_endpoint_changes_no_other_setting() -> None:
    environment = {
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "streams_project.settings",
        "DYNAMODB_ENDPOINT": "http://127.0.0.1:8001",
        "CORS_ALLOW_HEADERS": "x-player-version",
        "CORS_ALLOWED_ORIGINS": "https://tv.example.com",
    }
    finished = subprocess.run(
        [sys.executable, "-c", COMPARE],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
    )
    result = json.loads(finished.stdout)
    assert result["changed"] == ["DYNAMODB_ENDPOINT"]
    assert result["headers"] == [*ALLOWED_HEADERS, "x-player-version"]
