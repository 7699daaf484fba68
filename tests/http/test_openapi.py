"""The OpenAPI document is valid, complete, and true of generated requests."""

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.urls import resolve
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from streams.browsable.document import DOCUMENT, document
from streams.problems import PROBLEMS
from tests.e2e.test_permissions import ADMIN_KEY, SECRET, hashed, routes
from tests.openapi_document import UNDESCRIBED
from tests.servers import PROJECT, running, runserver

MIN_CASES = 2000
PAGES = ("home", "openapi", "docs", "problems", "console")
"""Routes that are not calls of the API."""


@pytest.mark.node
def test_the_document_is_what_the_code_says_now(tmp_path: Path) -> None:
    now = tmp_path / "openapi"
    command = [
        "make",
        "--silent",
        "openapi",
        f"PYTHON={sys.executable}",
        "READY=",
        f"OPENAPI={now}",
    ]
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("openapi.json", "openapi-3.0.json"):
        written = (DOCUMENT.parent / name).read_text()
        assert written == (tmp_path / name).read_text(), "Run make openapi"


def test_the_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []

    older = json.loads((DOCUMENT.parent / "openapi-3.0.json").read_text())
    assert older["openapi"].startswith("3.0")
    assert list(OpenAPIV30SpecValidator(older).iter_errors()) == []


def test_the_service_gives_its_document(api: httpx.Client) -> None:
    answer = api.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == document()


def test_every_route_and_method_is_described() -> None:
    described = {
        (resolve(re.sub(r"{\w+}", "x", path)).url_name, method.upper())
        for path, item in document()["paths"].items()
        for method in item
    }
    assert described == {
        (name, method) for name, method in routes() if name not in PAGES
    }


def test_every_problem_that_an_operation_can_meet_is_described() -> None:
    described = {
        type_
        for name in document()["components"]["responses"]
        for type_ in name.split("-or-")
    }
    assert described == {problem.type for problem in PROBLEMS.values()} - UNDESCRIBED


def examples() -> Iterator[Any]:
    """Yield each example of the document with its schema."""
    operations = [
        operation
        for item in document()["paths"].values()
        for operation in item.values()
    ]
    named = [(operation["operationId"], operation) for operation in operations]
    contents = [
        (f"{id}, the request", operation.get("requestBody", {}))
        for id, operation in named
    ]
    contents += [
        (f"{id}, {status}", found)
        for id, one in named
        for status, found in one["responses"].items()
    ]
    contents += list(document()["components"]["responses"].items())
    for name, content in contents:
        for media_type in content.get("content", {}).values():
            assert media_type["examples"], name
            for example in media_type["examples"].values():
                yield pytest.param(
                    media_type["schema"],
                    example["value"],
                    id=f"{name}: {example['summary']}",
                )


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_an_example_is_what_it_is_an_example_of(
    schema: dict[str, Any], example: Any
) -> None:
    errors = Draft202012Validator(
        schema | {"components": document()["components"]}
    ).iter_errors(example)
    assert [error.message for error in errors] == []


def test_every_operation_but_those_about_the_service_takes_either_credential() -> None:
    asked = {
        path: [one["security"] for one in item.values()]
        for path, item in document()["paths"].items()
    }
    for path, each in asked.items():
        is_by_token = path.endswith(("/heartbeat", "/stop"))
        is_of_a_user = path.startswith(("/users/", "/me", "/plans")) and not is_by_token
        either: list[dict[str, list[str]]] = (
            [{"bearer": []}, {"apiKey": []}] if is_of_a_user else [{}]
        )
        assert each == [either] * len(each), path


def with_bodies_of_links() -> dict[str, Any]:
    """Return the document in which the token of an answer is sent with its links."""
    described = copy.deepcopy(document())
    for item in described["paths"].values():
        for operation in item.values():
            for answer in operation["responses"].values():
                for name in {"heartbeat", "stop"} & set(answer.get("links", {})):
                    body = {"token": "$response.body#/token"}
                    answer["links"][name]["requestBody"] = body
    return described


def test_generated_requests_meet_no_failure_and_nothing_undescribed(
    tmp_path: Path,
) -> None:
    """Send valid and invalid requests that Schemathesis generates from the document.

    The caller is an operator who may also administrate.
    """
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(with_bodies_of_links()))
    key = "streams:operate streams:admin"
    bearer = {
        "AUTH_JWT_SECRETS": SECRET,
        "AUTH_ISSUER": "https://id.example.com",
        "AUTH_AUDIENCE": "streams",
    }
    environment = (
        os.environ
        | bearer
        | {"API_KEYS": hashed(ADMIN_KEY, key), "PYTHONUNBUFFERED": "1"}
    )
    with running(runserver(), environment) as server:
        command = [
            *(
                str(Path(sys.executable).parent / "schemathesis"),
                "run",
                str(described),
                "--url",
                server.url,
            ),
            *(
                "--checks",
                "all",
                "--max-examples",
                "110",
                "--exclude-path-regex",
                "^/(me|cmcd)",
            ),  # no operator is a viewer, and Schemathesis cannot write CMCD
            *(
                "--seed",
                "7",
                "--workers",
                "2",
                "--no-color",
                "--generation-database",
                "none",
            ),
        ]
        knowing = os.environ | {"STREAMS_API_KEY": ADMIN_KEY}
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=knowing,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout
    generated = re.search(r"(\d[\d,]*) generated", done.stdout)
    assert generated, done.stdout[-2000:]
    assert int(generated[1].replace(",", "")) >= MIN_CASES
