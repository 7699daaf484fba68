"""Shows each answer of the API as a page with the calls that can follow it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, override

from django.urls import Resolver404, get_script_prefix, resolve
from django.utils.html import escape, format_html_join
from django.utils.safestring import SafeString, mark_safe
from rest_framework.permissions import SAFE_METHODS
from rest_framework.renderers import (
    BrowsableAPIRenderer,
    HTMLFormRenderer,
    JSONRenderer,
)
from rest_framework.request import override_method

from streams.browsable import document

if TYPE_CHECKING:  # rest_framework.views imports this module, by a setting
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
COMMON_MEMBERS = ("type", "title", "status", "detail", "errors", "rule", "streams")
"""Members of problems that the page shows in their own places."""


class Resource(NamedTuple):
    """A URL with its view, ready to check permissions."""

    path: str
    route: str
    view: Any

    @property
    def title(self) -> str:
        """The name of the view with the ids in the URL."""
        words = [self.view.get_view_name()]
        ids = self.view.kwargs
        if "id" in ids:
            words.append(ids["id"])
        if "user_id" in ids:
            words += ["of", ids["user_id"]]

        return " ".join(words)

    @property
    def is_extra_action(self) -> bool:
        """Whether the URL is an `@action` of the view set, such as a heartbeat."""
        actions = getattr(self.view, "action_map", {})
        handlers = [getattr(self.view, name) for name in actions.values()]
        return any(hasattr(handler, "mapping") for handler in handlers)


class OfferedCall(NamedTuple):
    """A call that a page offers, with its documentation."""

    id: str
    method: str
    path: str
    summary: str
    description: SafeString
    example: str | None
    """The body that is ready to be sent. It is None for a call without body."""
    form: str
    needs_token: bool
    answers: list[tuple[str, str, str]]


class FormRenderer(HTMLFormRenderer):
    """HTML forms with the markup of the pages."""

    template_pack = "streams/form"


class PageRenderer(BrowsableAPIRenderer):
    """REST framework's browsable API with the markup of this service.

    Routes and permissions of the calls come from the views, their documentation from
    the OpenAPI document. A view without documentation has a page too.
    """

    template = "streams/page.html"
    form_renderer_class = FormRenderer

    @override
    def get_context(
        self,
        data: Any,
        accepted_media_type: str | None,
        renderer_context: Mapping[str, Any],
    ) -> dict[str, Any]:
        view = renderer_context["view"]
        request = renderer_context["request"]
        response = renderer_context["response"]
        options = dict(renderer_context)
        json = self.get_content(JSONRenderer(), data, None, options)
        content = data if isinstance(data, dict) else {}
        is_problem = response.status_code >= 400

        return {
            "request": request,
            "response": response,
            "headers": sorted(response.items()),
            "retry_after": response.get("Retry-After"),
            "meaning": _meaning(request, response),
            "body": _with_times(json),
            "content": content,
            "problem": content if is_problem else None,
            "detail": _detail(content),
            "facts": list(_facts(content)),
            "streams": _streams(view, content),
            **self._about(request, response, view),
        }

    def _about(
        self, request: Request, response: Response, view: APIView
    ) -> dict[str, Any]:
        """Return the part of the context that the page's resource determines."""
        resource = _resource(request, response)
        if resource is None:
            return {"title": view.get_view_name(), "path": request.path}

        return {
            "resource": resource,
            "title": resource.title,
            "path": resource.path,
            "user_id": resource.view.kwargs.get("user_id"),
            "nearby": list(_nearby(resource)),
            "calls": list(self._calls(resource)),
        }

    def _calls(self, resource: Resource) -> Iterator[OfferedCall]:
        """Yield the calls of a resource and of its extra actions."""
        for each in (resource, *_extra_actions(resource)):
            for method in each.view.allowed_methods:
                if self._is_offered(each.view, method):
                    yield self._call(each, method)

    def _is_offered(self, view: APIView, method: str) -> bool:
        """Return whether the caller has the permission for a method."""
        if method in ("HEAD", "OPTIONS"):
            return False

        with override_method(view, view.request, method) as request:
            return bool(self.show_form_for_method(view, method, request, None))

    def _call(self, resource: Resource, method: str) -> OfferedCall:
        operation = document.operation(resource.route, method)
        example = document.example_body(operation)
        return OfferedCall(
            id=operation.get("operationId", method.lower()),
            method=method,
            path=resource.path,
            summary=operation.get("summary", method),
            description=_prose(operation.get("description", "")),
            example=example,
            form=self._form(resource.view) if example is not None else "",
            needs_token='"token"' in (example or ""),
            answers=list(document.answers(operation)),
        )

    def _form(self, view: APIView) -> str:
        """Return the fields of the view's request as an HTML form."""
        serializer_class = getattr(view, "serializer_class", None)
        if serializer_class is None:
            return ""

        renderer = self.form_renderer_class()
        serializer = serializer_class()
        return str(renderer.render(serializer.data))


def _resource(request: Request, response: Response) -> Resource | None:
    """Return the resource that a page is about.

    The page of a start is about the new stream, the page of an extra action about the
    stream that it acts on. A URL with invalid ids has no resource.
    """
    is_invalid = response.status_code == 400 and request.method in SAFE_METHODS
    if is_invalid:
        return None

    path: str = response.get("Location", request.path)
    resource = _resource_at(path, request)
    if resource and resource.is_extra_action:
        parent = path.rstrip("/").rpartition("/")[0]
        return _resource_at(parent, request)
    return resource


def _resource_at(path: str, request: Request) -> Resource | None:
    """Return the resource of a URL, or None if no view of the API serves it."""
    path_info = "/" + path.removeprefix(get_script_prefix())
    try:
        match = resolve(path_info)
    except Resolver404:
        return None

    as_view: Any = match.func
    if not hasattr(as_view, "cls"):
        return None

    view = as_view.cls(**as_view.initkwargs)
    view.args = match.args
    view.kwargs = match.kwargs
    if hasattr(as_view, "actions"):
        _bind_actions(view, as_view.actions)

    # A new request, because views differ in their authentication.
    view.request = view.initialize_request(request._request)
    return Resource(path.rstrip("/"), match.route, view)


def _bind_actions(view: Any, actions: Mapping[str, str]) -> None:
    """Give a view set its methods, as its `as_view` does."""
    view.action_map = actions
    for method, action in actions.items():
        handler = getattr(view, action)
        setattr(view, method, handler)


def _extra_actions(resource: Resource) -> Iterator[Resource]:
    """Yield the `@action`s of a view set that act on this resource."""
    get_extra_actions = getattr(resource.view, "get_extra_actions", list)
    for action in get_extra_actions():
        if action.detail != resource.view.detail:
            continue

        path = f"{resource.path}/{action.url_path}"
        extra_action = _resource_at(path, resource.view.request)
        if extra_action:
            yield extra_action


def _nearby(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield path and name of the readable resources under the same first segment."""
    arguments = resource.view.kwargs
    for path in document.readable_paths(resource.route, arguments):
        near = _resource_at(path, resource.view.request)
        if near:
            yield path, near.view.get_view_name()


def _meaning(request: Request, response: Response) -> str:
    """Return what the OpenAPI document says about this answer."""
    match = request.resolver_match
    if match is None:
        return ""

    method = str(request.method)
    operation = document.operation(match.route, method)
    return document.description_of(operation, response.status_code)


def _streams(view: Any, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the streams of a list or a denial, each with its path."""
    streams = []
    for stream in content.get("streams", ()):
        path = view.stream_path(stream["id"])
        streams.append({**stream, "path": path})

    return streams


def _detail(problem: Mapping[str, Any]) -> str:
    """Return the detail of a problem, unless the messages of its fields repeat it."""
    detail = str(problem.get("detail", ""))
    for messages in problem.get("errors", {}).values():
        if detail in messages:
            return ""

    return detail


def _facts(problem: Mapping[str, Any]) -> Iterator[tuple[str, SafeString]]:
    """Yield name and text of the members of a problem."""
    for field, messages in problem.get("errors", {}).items():
        yield from _field_errors(field, messages)

    if rule := problem.get("rule"):
        yield "rule", _with_times(rule["message"] or rule["name"])

    if "type" not in problem:
        return
    for name, value in problem.items():
        if name not in COMMON_MEMBERS and value is not None:
            yield name, _with_times(str(value))


def _field_errors(field: str, messages: Any) -> Iterator[tuple[str, SafeString]]:
    if not isinstance(messages, dict):
        yield field, _sentences(messages)
        return

    for index, messages_of_entry in messages.items():
        yield f"{field}, number {index + 1}", _sentences(messages_of_entry)


def _sentences(messages: Iterable[Any]) -> SafeString:
    return escape(" ".join(map(str, messages)))


def _prose(text: str) -> SafeString:
    """Return the text of a docstring, with the parts between backticks as code."""
    parts = [
        ("code" if position % 2 else "span", part)
        for position, part in enumerate(text.split("`"))
    ]
    return format_html_join("", "<{0}>{1}</{0}>", parts)


def _with_times(text: str) -> SafeString:
    """Return the text as HTML with each instant in a `<time>`."""
    marked = INSTANT.sub(r'<time datetime="\g<0>">\g<0></time>', escape(text))
    return mark_safe(marked)  # noqa: S308  # escaped above
