"""How this service's code reads as OpenAPI: its fields, its closed objects, its docstrings, its authentication."""

import re
from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema

from streams.problems import MEDIA_TYPE
from streams.serializers import ID

PLAIN_TEXT = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
"""No control characters."""
IDENTIFIER = {"type": "string", "pattern": f"^{ID.pattern}$", "minLength": 1, "maxLength": 128}


class Schema(AutoSchema):
    """A docstring's first paragraph is the summary, the rest the description."""

    def get_summary(self) -> str:
        return " ".join(super().get_description().partition("\n\n")[0].split()).removesuffix(".")

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        return re.sub(r"(?<!\n)\n(?!\n)", " ", super().get_description().partition("\n\n")[2])

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # the list of streams is an object with the list in it

    def _get_request_body(self, direction: str = "request") -> Any:
        if self.method != "DELETE" or not self.get_request_serializer():
            return super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        self.method = "POST"  # drf-spectacular looks for no body in a DELETE, and a stop may have one
        body = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        self.method = "DELETE"
        return body


class Closed(OpenApiSerializerExtension):
    """An object with the members it declares and no others."""

    target_class = "streams.serializers.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return schema | {"additionalProperties": False}


class Text(OpenApiSerializerFieldExtension):
    """Text without control characters."""

    target_class = "streams.serializers.TextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": PLAIN_TEXT}


class Id(OpenApiSerializerFieldExtension):
    """An id of a user, a stream or a device."""

    target_class = "streams.serializers.IdField"
    priority = 1

    def map_serializer_field(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        return dict(IDENTIFIER)


class BearerScheme(OpenApiAuthenticationExtension):
    """Viewers."""

    target_class = "streams.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        what = "A viewer's token of the identity provider: `sub` is the user, `scope` what else it may do."
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": what}


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """Back ends."""

    target_class = "streams.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A back end's key."}


ITS_IDS = {"userId": "$response.body#/userId", "id": "$response.body#/id"}
NEXT = {
    "heartbeat": {
        "operationId": "renewStream",
        "parameters": ITS_IDS,
        "requestBody": {"token": "$response.body#/token"},
    },
    "read": {"operationId": "readStream", "parameters": ITS_IDS},
    "stop": {"operationId": "stopStream", "parameters": ITS_IDS},
}
"""What a player can do with a stream it was given, as OpenAPI's links."""


def tidied(result: dict[str, Any], **context: Any) -> dict[str, Any]:
    """drf-spectacular's hook, for what it has no words for: refusals are described once and referred to, links say what
    comes after a start or a heartbeat, and its own marks on enums go."""
    refusals = result["components"]["responses"] = {}
    for item in result["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                for media_type, content in response.get("content", {}).items():
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    if media_type == MEDIA_TYPE:
                        refusals[name] = response
                        operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
                    elif name == "PlayerStream":
                        response["links"] = NEXT
    for schema in result["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            member.pop("x-spec-enum-id", None)
    return result
