"""The package that ships: small, whole, for the stage's machine, the same each time, and it serves."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest
from click import ClickException

from deploy import package as packing
from deploy.package import (
    AT_MOST_MIB,
    AT_MOST_MIB_WITH_PUBLISHED_KEYS,
    LEFT_OUT,
    MANIFEST,
    build,
    manifest,
    shipped,
)
from deploy.release import release
from deploy.start import ARCHITECTURE
from deploy.table import SCHEMA
from deploy.wheels import Pin, pins, wheels
from stages import stage_of
from tests.servers import PROJECT

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


def zappa_package(
    archive: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What `zappa package test` makes, with this environment and little else."""
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "zappa"),
            "package",
            "test",
            "-o",
            str(archive),
        ],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the stage's own machine."""
    path = tmp_path_factory.mktemp("package") / "first.zip"
    done = zappa_package(path)
    assert done.returncode == 0, done.stdout + done.stderr
    return path


@pytest.fixture(scope="module")
def here(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For this machine, with published keys: the largest there is."""
    path = tmp_path_factory.mktemp("package") / "here.zip"
    with zipfile.ZipFile(archive) as entries:
        settings = entries.read("zappa_settings.py")
    build(
        path,
        zappa_settings=settings,
        runtime="python3.13",
        architecture=ARCHITECTURE,
        with_published_keys=True,
    )
    return path


def names_in(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as entries:
        return entries.namelist()


def test_the_package_is_small(archive: Path) -> None:
    with zipfile.ZipFile(archive) as entries:
        unzipped = sum(entry.file_size for entry in entries.infolist())
    assert archive.stat().st_size <= AT_MOST_MIB * MIB
    assert unzipped < 60 * MIB


def test_what_ships_is_what_the_manifest_says() -> None:
    assert MANIFEST.read_text() == manifest(), (
        "Look at what changed, then write it anew: python -m deploy.package"
    )


def test_the_package_holds_the_manifest_and_its_bytecode_and_nothing_else(
    archive: Path,
) -> None:
    of_published_keys = ("cryptography/", "_cffi_backend.")
    expected = [
        name
        for name in MANIFEST.read_text().splitlines()
        if not name.startswith(of_published_keys)
    ]
    assert [name for name in names_in(archive) if not name.endswith(".pyc")] == expected


def test_every_source_has_bytecode_of_the_stages_python(archive: Path) -> None:
    names = set(names_in(archive))
    for source in (name for name in names if name.endswith(".py")):
        folder, _, file = source.rpartition("/")
        compiled = f"{folder}/__pycache__/{file[:-3]}.cpython-313.pyc".lstrip("/")
        assert compiled in names


def test_only_what_git_tracks_ships_of_ours(archive: Path) -> None:
    junk = [
        PROJECT / "clients/web/backup.sql",
        PROJECT / "streams/.env",
        PROJECT / "streams_project/private.pem",
    ]
    for file in junk:
        file.write_text("secret")
    try:
        assert not {file.relative_to(PROJECT).as_posix() for file in junk} & set(
            shipped()
        )
    finally:
        for file in junk:
            file.unlink()
    ours = [
        name
        for name in names_in(archive)
        if name.split("/")[0] in ("streams", "streams_project", "clients")
    ]
    assert {name for name in ours if not name.endswith(".pyc")} <= set(shipped())


def test_a_link_does_not_ship_wherever_it_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clients" / "web"
    folder.mkdir(parents=True)
    (folder / "player.js").write_text("")
    (folder / "link.js").symlink_to("/etc/hostname")
    for command in (("init", "-q"), ("add", ".")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr("deploy.release.PROJECT", tmp_path)
    monkeypatch.setattr("deploy.package.PROJECT", tmp_path)
    assert shipped() == ["clients/web/player.js"]


def test_where_git_does_not_say_what_it_tracks_nothing_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.release.PROJECT", tmp_path)
    for ask in (shipped, release):
        with pytest.raises(
            ClickException,
            match="What ships is what git tracks, and git does not say: fatal",
        ):
            ask()


@pytest.mark.parametrize(
    ("architecture", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64")]
)
def test_native_code_is_the_stages_whatever_machine_packs(
    tmp_path: Path, architecture: str, machine: str
) -> None:
    packing.collect(
        tmp_path,
        release(),
        runtime="python3.13",
        architecture=architecture,
        with_published_keys=True,
    )
    native = [
        name for name in packing.files_in(tmp_path) if re.search(r"\.so(\.|$)", name)
    ]
    machines = {(tmp_path / name).read_bytes()[18:20] for name in native}
    assert {"cryptography", "pycurl", "pycurl.libs"} <= {
        name.split("/")[0] for name in native
    }
    assert machines == {{"aarch64": b"\xb7\x00", "x86_64": b"\x3e\x00"}[machine]}, (
        "of ELF, the field e_machine"
    )


def test_the_largest_package_is_small_enough(here: Path) -> None:
    assert here.stat().st_size <= AT_MOST_MIB_WITH_PUBLISHED_KEYS * MIB


def test_a_wheel_with_another_hash_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "python3.13-arm64"
    folder.mkdir(parents=True)
    (folder / "durationpy-0.11-py3-none-any.whl").write_bytes(b"not it")
    good = wheels(
        ["durationpy"], runtime="python3.13", architecture="arm64", cache=tmp_path
    )
    assert good["durationpy"].read_bytes() != b"not it"
    pinned = pins()["durationpy"]
    bad = {"durationpy": Pin(pinned.name, pinned.version, frozenset({"0" * 64}))}
    monkeypatch.setattr("deploy.wheels.pins", lambda: bad)
    with pytest.raises(Exception, match=r"durationpy 0\.11 for python3\.13 on arm64"):
        wheels(
            ["durationpy"],
            runtime="python3.13",
            architecture="arm64",
            cache=tmp_path / "empty",
        )


def test_the_stages_python_has_to_be_there_to_compile_with() -> None:
    with pytest.raises(Exception, match=r"no python3\.99 is on the PATH"):
        packing.interpreter("python3.99")


def test_it_is_the_same_package_without_an_active_environment_and_with_another(
    archive: Path, tmp_path: Path
) -> None:
    again = tmp_path / "second.zip"
    done = zappa_package(again, VIRTUAL_ENV=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        hashlib.sha256(archive.read_bytes()).digest()
        == hashlib.sha256(again.read_bytes()).digest()
    )


def test_the_package_says_which_version_it_is_and_what_is_in_it(archive: Path) -> None:
    with zipfile.ZipFile(archive) as entries:
        release, bom = (
            json.loads(entries.read(name)) for name in ("release.json", "bom.cdx.json")
        )
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert release["commit"].removesuffix("-dirty") == commit.stdout.strip()
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    components = {component["name"]: component for component in bom["components"]}
    assert components.keys() == set(packing.DISTRIBUTIONS)
    pinned = pins()
    for name, component in components.items():
        assert component["purl"] == f"pkg:pypi/{name}@{pinned[name].version}"
        assert component["hashes"][0]["content"] in pinned[name].hashes
    assert "libcurl.so.4.8.0" in {
        library["name"] for library in components["pycurl"]["components"]
    }


def test_no_file_of_the_project_holds_conflict_markers() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    marker = re.compile(rb"^(<{7} |={7}$|>{7} )", re.MULTILINE)
    files = [PROJECT / name for name in listed.stdout.splitlines()]
    assert [
        path.name
        for path in files
        if path.is_file() and marker.search(path.read_bytes())
    ] == []


def test_what_is_left_out_is_left_out_by_name_and_not_by_chance() -> None:
    for name in (
        "django/test/client.py",
        "streams_project/management/commands/runserver.py",
        "curl/__init__.py",
    ):
        assert LEFT_OUT.search(name)
    for name in (
        "streams/management/commands/limit.py",
        "django/core/management/__init__.py",
        "pycurl/__init__.py",
    ):
        assert not LEFT_OUT.search(name)


def test_the_unzipped_package_serves_by_itself_and_compiles_nothing(
    here: Path, tmp_path: Path, user_id: str
) -> None:
    dynamodb = boto3.client("dynamodb", endpoint_url=os.environ["DYNAMODB_ENDPOINT"], region_name="eu-west-1",
                            aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
    table = str(stage_of("test").table)
    if table not in dynamodb.list_tables()["TableNames"]:
        dynamodb.create_table(TableName=table, BillingMode="PAY_PER_REQUEST", **SCHEMA)
    task = tmp_path / "task"
    with zipfile.ZipFile(here) as entries:
        entries.extractall(task)
    environment = {
        "PATH": os.environ["PATH"],
        "LOG_LEVEL": "DEBUG",
        "DYNAMODB_ENDPOINT": os.environ["DYNAMODB_ENDPOINT"],
        "LEASE_TOKEN_KEYS": "Zq3xW8vRt5YmKp2LhN7cBd4FgJs6TuAe",
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
    token, logged = (
        found.pop("token"),
        [json.loads(line) for line in done.stderr.splitlines()],
    )
    assert "zappa.wsgi" not in {record["logger"] for record in logged}, "no access log"
    for secret in (token, "the-key", user_id):
        assert secret not in done.stderr
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
