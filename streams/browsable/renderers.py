"""Each answer of the API as a page that explains it."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, override
from urllib.parse import quote

from django.urls import get_script_prefix
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer

from streams.fields import ID

DOCUMENT = Path(__file__).parent / "static" / "streams" / "openapi.json"
"""The API as OpenAPI 3.1. Written by `make openapi`."""

PATHS = {
    "stream-list": "/users/{userId}/streams",
    "stream-detail": "/users/{userId}/streams/{id}",
    "stream-heartbeat": "/users/{userId}/streams/{id}/heartbeat",
    "limit": "/users/{userId}/limit",
    "edge-keys": "/.well-known/jwks.json",
    "healthz": "/healthz",
    "readyz": "/readyz",
}
"""The document's paths, by the name of the route."""

BUTTONS = {
    "startStream": "Start",
    "startStreamAs": "Start under this id",
    "renewStream": "Heartbeat",
    "stopStream": "Stop",
    "setLimit": "Set the limit",
    "clearLimit": "Back to the default",
}
"""What the buttons say, by the operation they call. The others are links."""


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    read: dict[str, Any] = json.loads(DOCUMENT.read_bytes())
    return read


class OfferedOperation(NamedTuple):
    """One operation as a page offers it: explained, and ready to be sent."""

    id: str
    method: str
    url: str
    summary: SafeString
    description: SafeString
    button: str | None
    takes_body: bool
    body: str
    answers: list[tuple[str, str, str]]
    """Status, the problem's type if it is one, and what it means."""


class PageRenderer(BrowsableAPIRenderer):
    """An answer as a page that explains it, links to what is near, and offers the calls that come next."""

    @override
    def get_context(
        self,
        data: Any,
        accepted_media_type: str | None,
        renderer_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        view, request, response = (
            renderer_context[name] for name in ("view", "request", "response")
        )
        route, content = (
            request.resolver_match.url_name,
            data if isinstance(data, dict) else {},
        )
        is_problem = response.status_code >= 400
        id = (
            content["id"] if "token" in content else view.kwargs.get("id")
        )  # a start's page is the new stream's
        ids = {"userId": view.kwargs.get("user_id"), "id": id}
        ids = {
            name: id for name, id in ids.items() if id is not None and ID.fullmatch(id)
        }
        about = "stream-detail" if "id" in ids else route
        offered = [
            PATHS[about],
            *([PATHS["stream-heartbeat"]] if about == "stream-detail" else []),
        ]
        return {
            "request": request,
            "response": response,
            "headers": {
                name: value
                for name, value in sorted(response.items())
                if name != "Content-Type"
            },
            "retry_after": response.get("Retry-After"),
            "user_id": ids.get("userId"),
            "id": ids.get("id"),
            "title": _title(about, **ids) or view.get_view_name(),
            "url": _url(about, **ids) or request.path,
            "streams_url": _url("stream-list", **ids),
            "limit_url": _url("limit", **ids),
            "meaning": _meaning(route, request.method, response.status_code),
            "problem": content if is_problem else None,
            "facts": list(_facts(content)) if is_problem else [],
            "content": content,
            "body": self.get_content(
                JSONRenderer(), data, accepted_media_type, dict(renderer_context)
            ),
            "streams": [
                stream
                | {
                    "url": _url(
                        "stream-detail", userId=stream["userId"], id=stream["id"]
                    )
                }
                for stream in content.get("streams", ())
            ],
            "calls": [call for path in offered for call in _calls(path, ids)],
        }


def _title(route: str, userId: str | None = None, id: str | None = None) -> str:  # noqa: N803
    """What a page of a user is about."""
    what = {
        "stream-list": "Streams",
        "stream-detail": f"Stream {id}",
        "limit": "Limit",
    }.get(route)
    return f"{what} of {userId}" if what and userId else ""


def _url(route: str, **ids: str) -> str | None:
    """Where a route is, for these ids and where the service is mounted. None without an id that it needs."""
    return _filled(PATHS[route], ids)


def _filled(path: str, ids: Mapping[str, str]) -> str | None:
    try:
        return get_script_prefix() + path[1:].format(
            **{name: quote(id, safe="") for name, id in ids.items()}
        )
    except KeyError:
        return None


def _meaning(route: str, method: str, status: int) -> str:
    """What the document says about an answer."""
    operation = document()["paths"][PATHS[route]].get(method.lower(), {"responses": {}})
    return str(
        _response(operation["responses"].get(str(status), {})).get("description", "")
    )


def _response(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """A response, or the one it refers to."""
    refusals: Mapping[str, Mapping[str, Any]] = document()["components"]["responses"]
    return (
        refusals[response["$ref"].rpartition("/")[2]]
        if "$ref" in response
        else response
    )


def _calls(path: str, ids: Mapping[str, str]) -> Iterator[OfferedOperation]:
    """The operations of a path of the document."""
    url = _filled(path, ids)
    if url is None:
        return
    for method, operation in document()["paths"][path].items():
        taken = operation.get("requestBody")
        body = ""
        if taken and taken.get("required"):
            (example,) = taken["content"]["application/json"]["examples"].values()
            body = json.dumps(example["value"], indent=2)
        yield OfferedOperation(
            id=operation["operationId"],
            method=method.upper(),
            url=url,
            summary=_prose(operation["summary"]),
            description=_prose(operation.get("description", "")),
            button=BUTTONS.get(operation["operationId"]),
            takes_body=taken is not None,
            body=body,
            answers=[
                (
                    status,
                    response.get("$ref", "").rpartition("/")[2].replace("-or-", ", "),
                    _response(response)["description"],
                )
                for status, response in operation["responses"].items()
            ],
        )


def _prose(text: str) -> SafeString:
    """A docstring's text, with what stands between backticks as code."""
    parts = [
        ("code" if place % 2 else "span", part)
        for place, part in enumerate(text.split("`"))
    ]
    return format_html_join("", "<{0}>{1}</{0}>", parts)


def _facts(problem: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a problem says beside its title, line by line."""
    for field, why in problem.get("errors", {}).items():
        lines = why.items() if isinstance(why, dict) else [(None, why)]
        for place, messages in lines:
            yield (
                field if place is None else f"{field}, number {place + 1}",
                " ".join(map(str, messages)),
            )
    if rule := problem.get("rule"):
        yield "Rule", rule["message"] or rule["name"]
    for member, what in {
        "reason": "Why",
        "endedAt": "When",
        "endedBy": "By",
        "limit": "Limit",
        "plan": "Plan",
    }.items():
        if problem.get(member) is not None:
            yield what, str(problem[member])
