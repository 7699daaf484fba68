"""The OpenAPI document: valid, complete, and true of requests nobody thought of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
from django.urls import resolve
from openapi_spec_validator import OpenAPIV31SpecValidator

from streams.openapi import document
from streams.problems import PROBLEMS
from tests.servers import PROJECT, free_port, running, runserver
from tests.test_permissions import ADMIN_KEY, SECRET, hashed, routes

CASES_AT_LEAST = 2000


def test_the_document_is_valid_openapi() -> None:
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []


def test_the_service_gives_its_document(api: httpx.Client) -> None:
    assert api.get("/openapi.json").json() == document()


def test_every_route_and_method_is_described() -> None:
    described = {
        (resolve(re.sub(r"{\w+}", "x", path)).url_name, method.upper())
        for path, item in document()["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == set(routes()) - {("openapi", "GET"), ("console", "GET")}


def test_every_problem_is_described() -> None:
    assert document()["components"]["responses"].keys() == {problem.type for problem in PROBLEMS.values()}


def test_generated_requests_meet_no_failure_and_nothing_undescribed() -> None:
    """Schemathesis: good and bad requests from the document, single and in sequences, as an administrating operator."""
    key = "streams:operate streams:admin"
    bearer = {"AUTH_JWT_SECRETS": SECRET, "AUTH_ISSUER": "https://id.example.com", "AUTH_AUDIENCE": "streams"}
    environment = os.environ | bearer | {"API_KEYS": hashed(ADMIN_KEY, key), "PYTHONUNBUFFERED": "1"}
    with running(runserver(free_port()), environment) as server:
        command = [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{server.url}/openapi.json"),
            *("--checks", "all", "--max-examples", "260"),
            *("--seed", "7", "--workers", "2", "--no-color", "--generation-database", "none"),
        ]
        knowing = os.environ | {"STREAMS_API_KEY": ADMIN_KEY}
        done = subprocess.run(
            command, cwd=PROJECT, env=knowing, capture_output=True, text=True, check=False, timeout=300
        )
    assert done.returncode == 0, done.stdout
    generated = re.search(r"(\d[\d,]*) generated", done.stdout)
    assert generated, done.stdout[-2000:]
    assert int(generated[1].replace(",", "")) >= CASES_AT_LEAST
