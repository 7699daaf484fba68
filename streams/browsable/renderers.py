"""Shows each answer of the API as a page with the calls that can follow it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
    view: APIView

    @property
    def is_extra_action(self) -> bool:
        """Whether the URL is an `@action` of the view set, such as a heartbeat."""
        actions = getattr(self.view, "action_map", {}).values()
        return any(hasattr(getattr(self.view, name), "mapping") for name in actions)


class Call(NamedTuple):
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

    Routes and permissions of the calls come from the views, their documentation from the
    OpenAPI document. A view without documentation has a page too.
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
        view: APIView = renderer_context["view"]
        request: Request = renderer_context["request"]
        response: Response = renderer_context["response"]
        content = data if isinstance(data, dict) else {}

        resource = _resource(request, response)
        return {
            "request": request,
            "response": response,
            "headers": sorted(response.items()),
            "retry_after": response.get("Retry-After"),
            "content": content,
            "body": _with_times(self._body(data, renderer_context)),
            "problem": content if response.status_code >= 400 else None,
            "facts": list(_facts(content)),
            "meaning": _meaning(request, response),
            "streams": _streams(view, content),
            "resource": resource,
            "title": _title(resource, view),
            "user_id": resource.view.kwargs.get("user_id") if resource else None,
            "path": resource.path if resource else request.path,
            "nearby": list(_nearby(resource)) if resource else [],
            "calls": list(self._calls(resource)) if resource else [],
        }

    def _body(self, data: Any, renderer_context: Mapping[str, Any]) -> str:
        return self.get_content(JSONRenderer(), data, None, dict(renderer_context))

    def _calls(self, resource: Resource) -> Iterator[Call]:
        """Yield the calls of a resource and of its extra actions."""
        for each in (resource, *_extra_actions(resource)):
            for method in each.view.allowed_methods:
                is_offered = method not in ("HEAD", "OPTIONS")
                if is_offered and self.show_form_for_method(
                    each.view, method, each.view.request, None
                ):
                    yield self._call(each, method)

    def _call(self, resource: Resource, method: str) -> Call:
        operation = document.operation(resource.route, method)
        example = document.example_body(operation)
        return Call(
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

        data = serializer_class().data
        return str(self.form_renderer_class().render(data))


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
    try:
        match = resolve(f"/{path.removeprefix(get_script_prefix())}")
    except Resolver404:
        return None

    view_class = getattr(match.func, "cls", None)
    if view_class is None:
        return None

    view: Any = view_class(**match.func.initkwargs)
    view.args, view.kwargs = match.args, match.kwargs
    actions = getattr(match.func, "actions", {})
    if actions:
        view.action_map = actions
    for method, action in actions.items():
        setattr(view, method, getattr(view, action))

    # A request of its own, because each view has its own authentication.
    view.request = view.initialize_request(request._request)
    return Resource(path.rstrip("/"), match.route, view)


def _extra_actions(resource: Resource) -> Iterator[Resource]:
    """Yield the `@action`s of a view set that act on this resource."""
    get_extra_actions = getattr(resource.view, "get_extra_actions", list)
    for action in get_extra_actions():
        path = f"{resource.path}/{action.url_path}"
        found = _resource_at(path, resource.view.request)
        if found and action.detail == getattr(resource.view, "detail", None):
            yield found


def _nearby(resource: Resource) -> Iterator[tuple[str, str]]:
    """Yield path and name of the readable resources under the same first segment."""
    arguments = resource.view.kwargs
    for path in document.readable_paths(resource.route, arguments):
        near = _resource_at(path, resource.view.request)
        if near:
            yield path, near.view.get_view_name()


def _title(resource: Resource | None, view: APIView) -> str:
    if resource is None:
        return view.get_view_name()

    ids = resource.view.kwargs
    id = f" {ids['id']}" if "id" in ids else ""
    user = f" of {ids['user_id']}" if "user_id" in ids else ""
    return f"{resource.view.get_view_name()}{id}{user}"


def _meaning(request: Request, response: Response) -> str:
    """Return what the OpenAPI document says about this answer."""
    match = request.resolver_match
    if match is None:
        return ""

    operation = document.operation(match.route, str(request.method))
    return document.description_of(operation, response.status_code)


def _streams(view: Any, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the streams of a list or a denial, each with its path."""
    return [
        {**stream, "path": view.stream_path(stream["id"])}
        for stream in content.get("streams", ())
    ]


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
        yield field, _with_times(" ".join(map(str, messages)))
        return

    for index, of_entry in messages.items():
        yield f"{field}, number {index + 1}", _with_times(" ".join(map(str, of_entry)))


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
