"""Shorthands for the URLs and answers of a viewer."""

from collections.abc import Mapping
from typing import Any

from tests.viewer import Viewer


def limit_url(viewer: Viewer) -> str:
    """Return the URL of the viewer's limit."""
    return f"/users/{viewer.user_id}/limit"


def ids_of(answer: Mapping[str, Any]) -> list[str]:
    """Return the ids of the streams in an answer."""
    return [stream["id"] for stream in answer["streams"]]
