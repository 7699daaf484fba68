"""A user's item in DynamoDB, and the calls that meet it."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from streams.conf import settings
from streams.models import UserStreams
from tests.http.viewers import limit_url
from tests.viewer import Viewer

type Item = dict[str, Any]
"""DynamoDB's JSON."""


def read_item(user_id: str) -> Item:
    """Return the item of a user as DynamoDB stores it."""
    key = {"user_id": {"S": user_id}}
    arguments = {"TableName": settings.DYNAMODB_TABLE, "Key": key}
    item: Item = UserStreams.call("GetItem", arguments)["Item"]
    return item


def write_item(item: Item) -> None:
    """Replace the item of a user, without any condition."""
    arguments = {"TableName": settings.DYNAMODB_TABLE, "Item": item}
    UserStreams._get_connection().connection.client._make_api_call("PutItem", arguments)


type Call = Callable[[Viewer, dict[str, Any]], httpx.Response]


def dry_run(viewer: Viewer, tv: dict[str, Any]) -> httpx.Response:
    return viewer.api.post(f"{viewer.url}?dryRun=true", json={"streamId": "film"})


def start_again(viewer: Viewer, tv: dict[str, Any]) -> httpx.Response:
    return viewer.api.put(f"{viewer.url}/tv", json={"streamId": "film"})


def pause(viewer: Viewer, tv: dict[str, Any]) -> httpx.Response:
    body = {"token": tv["token"], "state": "paused"}
    return viewer.api.post(f"{viewer.url}/tv/heartbeat", json=body)


def set_limit(viewer: Viewer, tv: dict[str, Any]) -> httpx.Response:
    return viewer.api.put(limit_url(viewer), json={"limit": 2})


CALLS_ON_THE_WHOLE_ITEM: Mapping[str, Call] = {
    "start": lambda viewer, tv: viewer.start(deviceId="phone"),
    "start again": start_again,
    "replace": lambda viewer, tv: viewer.start(replace=["tv"]),
    "dry run": dry_run,
    "list": lambda viewer, tv: viewer.api.get(viewer.url),
    "read": lambda viewer, tv: viewer.read("tv"),
    "pause": pause,
    "end all": lambda viewer, tv: viewer.api.delete(viewer.url),
    "read limit": lambda viewer, tv: viewer.api.get(limit_url(viewer)),
    "set limit": set_limit,
    "clear limit": lambda viewer, tv: viewer.api.delete(limit_url(viewer)),
}

CALLS_ON_ONE_STREAM: Mapping[str, Call] = {
    "heartbeat": lambda viewer, tv: viewer.heartbeat("tv", tv["token"]),
    "stop": lambda viewer, tv: viewer.stop("tv", tv["token"]),
    "end of an epoch": lambda viewer, tv: viewer.end("tv", epoch=tv["epoch"]),
    "end": lambda viewer, tv: viewer.end("tv"),
}
