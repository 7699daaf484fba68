"""The package that ships: small, compiled, the same each time, and it serves."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.preflight import stage_of
from deploy.provision import Wanted
from tests.e2e.test_deployment import carry_out
from tests.servers import PROJECT

pytestmark = pytest.mark.xdist_group("package")  # which takes long to make

MIB = 1024 * 1024
SERVE = """
import json, sys
task, user = sys.argv[1:3]
compiled = []

def note(event, arguments):
    if event == "compile" and str(arguments[1]).startswith((task, "/var/task")):
        compiled.append(arguments[1])

sys.addaudithook(note)
sys.path.insert(0, task)
from streams_project.lambda_entry import lambda_handler

headers = {"Host": "x.execute-api.eu-west-1.amazonaws.com", "X-API-Key": "the-key", "Content-Type": "application/json"}
def ask(method, path, body=None, **more):
    event = {"httpMethod": method, "path": path, "headers": headers | more, "body": json.dumps(body) if body else None}
    return lambda_handler(event | {"requestContext": {}, "queryStringParameters": None}, None)

started = ask("PUT", f"/users/{user}/streams/tv", {"streamId": "456"})
token = json.loads(started["body"])["token"]
beat = ask("POST", f"/users/{user}/streams/tv/heartbeat", {"token": token})
page = ask("GET", f"/users/{user}/streams", Accept="text/html")
style = ask("GET", "/static/streams/style.css")
docs = ask("GET", "/docs")
swagger = ask("GET", "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js")
console = ask("GET", "/console")
client = ask("GET", "/static/client/streams-client.js")
lambda_handler({"manage": f"streams list {user}"}, None)
print(json.dumps({
    "started": [started["statusCode"], started["headers"]["Location"]],
    "beat": beat["statusCode"],
    "token": token,
    "page": [page["statusCode"], page["headers"]["Content-Type"], "/test/static/" in page["body"]],
    "style": [style["statusCode"], style["headers"]["Content-Type"]],
    "docs": [docs["statusCode"], 'data-document="/test/openapi.json"' in docs["body"]],
    "swagger": [swagger["statusCode"], swagger["headers"]["Content-Type"]],
    "console": [console["statusCode"], 'data-api="/test/"' in console["body"]],
    "client": [client["statusCode"], client["headers"]["Content-Type"]],
    "compiled": compiled,
    "from_elsewhere": [n for n, m in list(sys.modules.items()) if "site-packages" in (getattr(m, "__file__", 0) or "")],
}))
"""


def package(archive: Path) -> Path:
    """What `zappa package test` makes."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["zappa", "package", "test", "-o", str(archive)],
        cwd=PROJECT,
        env=os.environ | {"PATH": path, "VIRTUAL_ENV": sys.prefix, "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("package") / "first.zip")


def test_the_package_is_small(archive: Path) -> None:
    with zipfile.ZipFile(archive) as entries:
        unzipped = sum(entry.file_size for entry in entries.infolist())
    assert archive.stat().st_size <= 12 * MIB
    assert unzipped < 60 * MIB


def test_the_package_holds_nothing_that_no_request_reaches(archive: Path) -> None:
    with zipfile.ZipFile(archive) as entries:
        names = entries.namelist()
    tops = {name.split("/")[0] for name in names}
    assert not tops & {"ministack", "pytest", "_pytest", "hypothesis", "mypy", "pip", "setuptools"}
    assert not tops & {"tests", "deploy", "openapi", "drf_spectacular"}
    assert {name.rpartition("/")[2] for name in names if name.startswith("drf_spectacular_sidecar/static/")} == {
        *("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE")
    }
    assert {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2} == {
        "dynamodb"
    }


def test_two_packages_of_the_same_sources_are_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = package(tmp_path / "second.zip")
    assert hashlib.sha256(archive.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()


def test_the_unzipped_package_serves_by_itself_and_compiles_nothing(
    archive: Path, tmp_path: Path, user_id: str
) -> None:
    carry_out(
        os.environ["DYNAMODB_ENDPOINT"], Wanted(table=stage_of("test")["environment_variables"]["DYNAMODB_TABLE"])
    )
    task = tmp_path / "task"
    with zipfile.ZipFile(archive) as entries:
        entries.extractall(task)
    environment = {
        "PATH": os.environ["PATH"],
        "LOG_LEVEL": "DEBUG",
        "DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"],
        "LEASE_TOKEN_KEYS": "key-of-lease-tokens-0123456789abcdef",
        "API_KEYS": f"test:{hashlib.sha256(b'the-key').hexdigest()}:streams:operate",
    }
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SERVE, str(task), user_id],
        cwd=task,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{user_id} has 1 of 3 streams." in done.stdout, "zappa manage test"
    found = json.loads(done.stdout.splitlines()[-1])
    token, logged = found.pop("token"), [json.loads(line) for line in done.stderr.splitlines()]
    assert logged, "each record is a line of JSON"
    assert user_id not in done.stderr
    assert token not in done.stderr
    assert "the-key" not in done.stderr
    assert found == {
        "beat": 200,
        "started": [201, f"/test/users/{user_id}/streams/tv"],
        "page": [200, "text/html; charset=utf-8", True],
        "style": [200, 'text/css; charset="utf-8"'],
        "docs": [200, True],
        "swagger": [200, 'text/javascript; charset="utf-8"'],
        "console": [200, True],
        "client": [200, 'text/javascript; charset="utf-8"'],
        "compiled": [],
        "from_elsewhere": [],
    }
