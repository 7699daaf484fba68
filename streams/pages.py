"""Pages for people: each answer of the API as a page, and the API's description.

Imported only where `BROWSABLE_API` is on: no player ever sees one.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, override
from urllib.parse import quote, unquote

from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.views import View
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer

from streams.serializers import ID

DOCUMENT = Path(__file__).parent / "static" / "streams" / "openapi.json"
"""The API as OpenAPI 3.1. Written by `make openapi`."""

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


class OpenAPIView(View):
    """The API, described for programs."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The OpenAPI 3.1 document."""
        return HttpResponse(DOCUMENT.read_bytes(), content_type="application/json")


class Call(NamedTuple):
    """One operation as a page offers it: explained, and ready to be sent."""

    id: str
    method: str
    url: str
    summary: SafeString
    description: SafeString
    button: str | None
    takes_body: bool
    body: str
    rows: int
    answers: Mapping[str, str]
    refusals: Mapping[str, tuple[str, str]]


class PageRenderer(BrowsableAPIRenderer):
    """An answer as a page that explains it, links to what is near, and offers the calls that come next."""

    @override
    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Mapping[str, Any]
    ) -> dict[str, Any]:
        view, request, response = (renderer_context[name] for name in ("view", "request", "response"))
        content = data if isinstance(data, dict) else {}
        is_problem = response.status_code >= 400
        ids = {"userId": view.kwargs.get("user_id"), "id": view.kwargs.get("id")}
        if response.status_code in (200, 201) and "token" in content:
            ids["id"] = content["id"]  # what was started is what the page is about from here on
        known = {name: quote(id, safe="") for name, id in ids.items() if id is not None and ID.fullmatch(id)}
        name = request.resolver_match.url_name
        template = "/users/{userId}/streams/{id}" if "id" in known else PATHS.get(name, f"/{name}")
        return {
            "request": request,
            "response": response,
            "user_id": ids["userId"] if "userId" in known else None,
            "id": ids["id"] if "id" in known else None,
            "title": _title(name, known) or view.get_view_name(),
            "streams_url": _url(PATHS["stream-list"], known),
            "limit_url": _url(PATHS["limit"], known),
            "url": _url(template, known) or request.path,
            "meaning": _meaning(name, request.method, response.status_code),
            "problem": content if is_problem else None,
            "retry_after": response.get("Retry-After"),
            "facts": list(_facts(content)) if is_problem else [],
            "content": content,
            "streams": [
                {**stream, "url": _url(PATHS["stream-detail"], known | {"id": quote(stream["id"], safe="")})}
                for stream in content.get("streams", ())
            ],
            "headers": {name: value for name, value in sorted(response.items()) if name != "Content-Type"},
            "body": self.get_content(JSONRenderer(), data, accepted_media_type, dict(renderer_context)),
            "calls": [call for path in (template, f"{template}/heartbeat") for call in _calls(path, known)],
        }


PATHS = {
    "stream-list": "/users/{userId}/streams",
    "stream-detail": "/users/{userId}/streams/{id}",
    "stream-heartbeat": "/users/{userId}/streams/{id}/heartbeat",
    "limit": "/users/{userId}/limit",
}
"""The document's paths, by the name of the route."""


def _title(route: str, known: Mapping[str, str]) -> str:
    """What a page of a user is about."""
    if "userId" not in known:
        return ""
    what = "Limit" if route == "limit" else f"Stream {unquote(known['id'])}" if "id" in known else "Streams"
    return f"{what} of {unquote(known['userId'])}"


def _url(template: str, known: Mapping[str, str]) -> str | None:
    """A path with its ids in place, where the service is mounted. None when one is missing or malformed."""
    try:
        return get_script_prefix() + template.removeprefix("/").format(**known)
    except KeyError:
        return None


def _meaning(route: str, method: str, status: int) -> str:
    """What the document says about an answer."""
    operation = document()["paths"].get(PATHS.get(route, f"/{route}"), {}).get(method.lower(), {})
    return str(_response(operation.get("responses", {}).get(str(status), {})).get("description", ""))


def _response(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """A response, or the one it refers to."""
    refusals: Mapping[str, Mapping[str, Any]] = document()["components"]["responses"]
    return refusals[response["$ref"].rpartition("/")[2]] if "$ref" in response else response


def _calls(path: str, known: Mapping[str, str]) -> Iterator[Call]:
    """The operations of a path of the document."""
    url = _url(path, known)
    for method, operation in document()["paths"].get(path, {}).items() if url else ():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        example = next((example["value"] for example in content.get("examples", {}).values()), None)
        is_needed = operation.get("requestBody", {}).get("required", False)
        body = json.dumps(example, indent=2) if is_needed else ""
        yield Call(
            id=operation["operationId"],
            method=method.upper(),
            url=url or "",
            summary=_prose(operation["summary"]),
            description=_prose(operation.get("description", "")),
            button=BUTTONS.get(operation["operationId"]),
            takes_body=example is not None,
            body=body,
            rows=max(2, body.count("\n") + 1),
            answers={
                status: response["description"]
                for status, response in operation["responses"].items()
                if "$ref" not in response
            },
            refusals={
                status: (response["$ref"].rpartition("/")[2].replace("-or-", ", "), _response(response)["description"])
                for status, response in operation["responses"].items()
                if "$ref" in response
            },
        )


def _prose(text: str) -> SafeString:
    """A docstring's text, with what stands between backticks as code."""
    parts = [("code" if place % 2 else "span", part) for place, part in enumerate(text.split("`"))]
    return format_html_join("", "<{0}>{1}</{0}>", parts)


def _facts(problem: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a problem says beside its title, line by line."""
    for field, why in problem.get("errors", {}).items():
        lines = why.items() if isinstance(why, dict) else [(None, why)]
        for place, messages in lines:
            yield field if place is None else f"{field}, number {place + 1}", " ".join(map(str, messages))
    for member, what in {"reason": "Why", "endedAt": "When", "endedBy": "By", "limit": "Limit"}.items():
        if problem.get(member) is not None:
            yield what, str(problem[member])
