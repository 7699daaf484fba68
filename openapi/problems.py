"""The problems of an operation, as OpenAPI answers."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiResponse,
    PolymorphicProxySerializer,
)
from rest_framework import serializers

from openapi.examples import PROBLEM_MEMBERS
from streams.problems import MEDIA_TYPE, PROBLEMS, Problem, body_of
from streams.serializers import AnswerSerializer

type Shape = type[serializers.Serializer[Any]]

BY_TYPE = {problem.type: problem for problem in PROBLEMS.values()}
"""The problems by type. For a type with several titles, the last one."""


def problem_answers(types: Iterable[str]) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the answers with these problems. Some statuses have several types."""
    types_by_status: dict[int, list[str]] = {}
    for type_ in types:
        types_by_status.setdefault(BY_TYPE[type_].status, []).append(type_)

    return {
        (status, MEDIA_TYPE): _answer(types)
        for status, types in sorted(types_by_status.items())
    }


def _answer(types: list[str]) -> OpenApiResponse:
    titles = [problem.title for problem in PROBLEMS.values() if problem.type in types]
    description = " Or: ".join(dict.fromkeys(titles))
    return OpenApiResponse(
        _shape_of_one_of(types),
        description,
        examples=[_example(type_) for type_ in types],
    )


def _shape_of_one_of(types: list[str]) -> Any:
    if len(types) == 1:
        return SHAPES[types[0]]

    shapes: Any = {type_: SHAPES[type_] for type_ in types}
    return PolymorphicProxySerializer(
        "Or".join(map(_schema_name, types)),
        shapes,
        resource_type_field_name="type",
    )


def _schema_name(type_: str) -> str:
    """Return the name of the schema of a problem.

    API Gateway imports only models with letters and digits in their names.
    """
    return "".join(map(str.capitalize, type_.split("-")))


def _example(type_: str) -> OpenApiExample:
    members = PROBLEM_MEMBERS.get(type_, {})
    return OpenApiExample(type_, body_of(BY_TYPE[type_], **members))


def _shape(problem: Problem) -> Shape:
    """Return the serializer of a problem."""
    base = problem.members or AnswerSerializer
    common = {
        "type": serializers.ChoiceField(choices=[problem.type]),
        "title": serializers.CharField(),
        "status": serializers.ChoiceField(choices=[problem.status]),
        "detail": serializers.CharField(required=False),
    }
    return type(
        _schema_name(problem.type), (base,), {"__doc__": problem.title, **common}
    )


SHAPES = {type_: _shape(problem) for type_, problem in BY_TYPE.items()}
