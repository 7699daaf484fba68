"""The app in another Django project: a wheel, a new virtual environment, two calls."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers import PROJECT, free_port, is_open

KEY = "the-key-of-billing"
CONFIGURATION = f"""
INSTALLED_APPS += ["rest_framework", "streams"]
DYNAMODB_ENDPOINT = "{os.environ.get("DYNAMODB_ENDPOINT")}"
AWS_KEYS = ("local", "local", None)
"""
AUTHENTICATION = f"""
API_KEYS = ["billing:{hashlib.sha256(KEY.encode()).hexdigest()}:streams:operate"]
"""
URLS = """
from django.urls import include, path

urlpatterns = [path("", include("streams.urls"))]
"""

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment in which the wheel is installed.

    The dependencies are those of the tests, so that no package is downloaded.
    """
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    shutil.copy(PROJECT / "pyproject.toml", source)
    shutil.copytree(
        PROJECT / "streams",
        source / "streams",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    offline = ["--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", str(source), "--no-build-isolation", "--wheel-dir", str(folder)]
    run(Path(sys.executable), "-m", "pip", *build, *offline)
    [wheel] = folder.glob("*.whl")

    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", str(wheel), *offline)
    return python


@pytest.fixture
def project(python: Path, tmp_path: Path) -> Path:
    """Return the folder of a new project that lists the app."""
    run(python, "-m", "django", "startproject", "site_of_tests", str(tmp_path))
    with (tmp_path / "site_of_tests" / "settings.py").open("a") as settings:
        settings.write(CONFIGURATION)
    (tmp_path / "site_of_tests" / "urls.py").write_text(URLS)
    return tmp_path


def run(python: Path, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(python), *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    """Return an environment that does not name the settings of this project."""
    names = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "DEBUG")
    return {name: value for name, value in os.environ.items() if name not in names}


class Site:
    """A running project."""

    def __init__(self, python: Path, project: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        address = self.url.removeprefix("http://")
        command = ["manage.py", "runserver", "--noreload", address]
        self.process = subprocess.Popen(
            [str(python), *command],
            cwd=project,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not is_open(self.url):
            assert self.process.poll() is None, "the project does not start"

    def start(self, user_id: str, **headers: str) -> httpx.Response:
        url = f"{self.url}/users/{user_id}/streams"
        body = {"streamId": "film", "deviceId": "tv"}
        return httpx.post(url, json=body, headers=headers, timeout=30)


@pytest.fixture
def site(python: Path, project: Path) -> Iterator[Site]:
    site = Site(python, project)
    yield site
    site.process.kill()
    site.process.wait()


def test_the_wheel_contains_the_app_and_is_typed(python: Path) -> None:
    code = "import pathlib, streams; print(pathlib.Path(streams.__file__).parent)"
    folder = Path(run(python, "-c", code, cwd=python.parent).strip())
    assert python.parent.parent in folder.parents
    assert (folder / "py.typed").is_file()
    assert (folder / "browsable" / "static" / "streams" / "openapi.json").is_file()


def test_a_project_without_settings_of_the_app_refuses_every_call(
    site: Site, user_id: str
) -> None:
    answer = site.start(user_id)
    assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")


def test_a_project_with_an_api_key_serves_its_back_end(
    python: Path, project: Path, user_id: str
) -> None:
    with (project / "site_of_tests" / "settings.py").open("a") as settings:
        settings.write(AUTHENTICATION)
    run(python, "manage.py", "check", cwd=project)

    site = Site(python, project)
    try:
        assert site.start(user_id).status_code == 401
        started = site.start(user_id, **{"X-API-Key": KEY})
    finally:
        site.process.kill()
        site.process.wait()
    assert started.status_code == 201
    assert started.json()["token"]
