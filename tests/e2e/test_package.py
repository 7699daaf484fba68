"""The package that ships: its files, its size, its machine, and its reproducibility."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click import ClickException

from deploy.package import build, current_release, interpreter, own_files
from deploy.package.archive import MAX_MIB, MAX_MIB_WITH_PUBLISHED_KEYS, MIB
from deploy.package.contents import (
    DISTRIBUTIONS,
    EXCLUDED,
    MANIFEST,
    collect,
    files_in,
    manifest,
)
from deploy.package.local_lambda import ARCHITECTURE
from deploy.package.wheels import Pin, find_wheels, pins
from tests.servers import PROJECT

ELF_MACHINE = slice(18, 20)
"""The field `e_machine` of an ELF file."""


def zappa_package(
    archive: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `zappa package test` with this environment and few other variables."""
    zappa = Path(sys.executable).parent / "zappa"
    return subprocess.run(
        [str(zappa), "package", "test", "-o", str(archive)],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "AWS_DEFAULT_REGION": "eu-west-1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the package of the stage `test`."""
    path = tmp_path_factory.mktemp("package") / "first.zip"
    result = zappa_package(path)
    assert result.returncode == 0, result.stdout + result.stderr
    return path


def names_in(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as entries:
        return entries.namelist()


def sources_in(archive: Path) -> list[str]:
    return [name for name in names_in(archive) if not name.endswith(".pyc")]


def test_the_package_is_small(archive: Path) -> None:
    with zipfile.ZipFile(archive) as entries:
        unpacked = sum(entry.file_size for entry in entries.infolist())

    assert archive.stat().st_size <= MAX_MIB * MIB
    assert unpacked < 60 * MIB


def test_the_largest_package_is_small_enough(tmp_path: Path) -> None:
    largest = tmp_path / "largest.zip"
    build(
        largest,
        zappa_settings=b"",
        runtime="python3.13",
        architecture=ARCHITECTURE,
        with_published_keys=True,
    )

    assert largest.stat().st_size <= MAX_MIB_WITH_PUBLISHED_KEYS * MIB


def test_a_package_over_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.package.archive.MAX_MIB", 1)

    with pytest.raises(ClickException, match="more than the limit of 1 MiB"):
        build(
            tmp_path / "package.zip",
            zappa_settings=b"",
            runtime="python3.13",
            architecture=ARCHITECTURE,
        )


def test_the_manifest_lists_what_ships() -> None:
    assert MANIFEST.read_text() == manifest(), (
        "Look at what changed, then write it again: python -m deploy.package"
    )


def test_the_package_contains_the_manifest_its_bytecode_and_no_other_file(
    archive: Path,
) -> None:
    published_keys = ("cryptography/", "_cffi_backend.")
    listed = MANIFEST.read_text().splitlines()

    assert sources_in(archive) == [
        name for name in listed if not name.startswith(published_keys)
    ]


def test_every_source_has_bytecode_of_the_stages_python(archive: Path) -> None:
    names = set(names_in(archive))
    for source in (name for name in names if name.endswith(".py")):
        folder, _, file = source.rpartition("/")
        bytecode = f"{folder}/__pycache__/{file[:-3]}.cpython-313.pyc".lstrip("/")
        assert bytecode in names


def test_of_this_project_only_tracked_files_ship(archive: Path) -> None:
    untracked = [
        PROJECT / "clients/web/backup.sql",
        PROJECT / "streams/.env",
        PROJECT / "streams_project/private.pem",
    ]
    names = {file.relative_to(PROJECT).as_posix() for file in untracked}
    for file in untracked:
        file.write_text("secret")
    try:
        assert names.isdisjoint(own_files())
    finally:
        for file in untracked:
            file.unlink()

    own_folders = ("streams/", "streams_project/", "clients/")
    shipped = {name for name in sources_in(archive) if name.startswith(own_folders)}
    assert shipped <= set(own_files())


def test_a_symbolic_link_does_not_ship(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clients" / "web"
    folder.mkdir(parents=True)
    (folder / "player.js").write_text("")
    (folder / "link.js").symlink_to("/etc/hostname")
    for command in (("init", "-q"), ("add", ".")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr("deploy.package.checkout.PROJECT", tmp_path)
    monkeypatch.setattr("deploy.package.contents.PROJECT", tmp_path)

    assert own_files() == ["clients/web/player.js"]


@pytest.mark.parametrize("read", [own_files, current_release])
def test_outside_of_a_checkout_no_file_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[], object]
) -> None:
    monkeypatch.setattr("deploy.package.checkout.PROJECT", tmp_path)

    with pytest.raises(
        ClickException, match="the files that git tracks, and git failed: fatal"
    ):
        read()


@pytest.mark.parametrize(
    ("architecture", "machine"),
    [
        pytest.param("arm64", b"\xb7\x00", id="arm64"),
        pytest.param("x86_64", b"\x3e\x00", id="x86_64"),
    ],
)
def test_compiled_files_are_those_of_the_stages_machine(
    tmp_path: Path, architecture: str, machine: bytes
) -> None:
    collect(
        tmp_path,
        current_release(),
        runtime="python3.13",
        architecture=architecture,
        with_published_keys=True,
    )

    compiled = [name for name in files_in(tmp_path) if re.search(r"\.so(\.|$)", name)]
    folders = {name.split("/")[0] for name in compiled}
    machines = {(tmp_path / name).read_bytes()[ELF_MACHINE] for name in compiled}
    assert {"cryptography", "pycurl", "pycurl.libs"} <= folders
    assert machines == {machine}


def test_a_cached_wheel_with_another_hash_is_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "python3.13-arm64"
    folder.mkdir(parents=True)
    (folder / "durationpy-0.11-py3-none-any.whl").write_bytes(b"another file")

    wheels = find_wheels(
        ["durationpy"], runtime="python3.13", architecture="arm64", cache=tmp_path
    )

    assert wheels["durationpy"].read_bytes() != b"another file"


def test_a_downloaded_wheel_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = pins()["durationpy"]
    wrong = Pin(pin.name, pin.version, frozenset({"0" * 64}))
    monkeypatch.setattr("deploy.package.wheels.pins", lambda: {"durationpy": wrong})

    with pytest.raises(
        ClickException, match=r"durationpy 0\.11 for python3\.13 on arm64"
    ):
        find_wheels(
            ["durationpy"], runtime="python3.13", architecture="arm64", cache=tmp_path
        )


def test_a_missing_python_of_the_stages_version_is_refused() -> None:
    with pytest.raises(ClickException, match=r"no python3\.99 is on the PATH"):
        interpreter("python3.99")


def test_the_active_virtual_environment_does_not_change_the_package(
    archive: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.zip"

    result = zappa_package(second, VIRTUAL_ENV=str(tmp_path))

    assert result.returncode == 0, result.stdout + result.stderr
    first_digest = hashlib.sha256(archive.read_bytes()).digest()
    assert hashlib.sha256(second.read_bytes()).digest() == first_digest


def test_the_package_names_its_commit(archive: Path) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(archive) as entries:
        release = json.loads(entries.read("release.json"))

    assert release["commit"].removesuffix("-dirty") == head.stdout.strip()


def test_the_bill_of_materials_lists_every_distribution_as_it_is_pinned(
    archive: Path,
) -> None:
    with zipfile.ZipFile(archive) as entries:
        bom = json.loads(entries.read("bom.cdx.json"))

    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    components = {component["name"]: component for component in bom["components"]}
    pinned = pins()
    assert components.keys() == set(DISTRIBUTIONS)
    for name, component in components.items():
        assert component["purl"] == f"pkg:pypi/{name}@{pinned[name].version}"
        assert component["hashes"][0]["content"] in pinned[name].hashes

    libraries = {library["name"] for library in components["pycurl"]["components"]}
    assert "libcurl.so.4.8.0" in libraries


@pytest.mark.parametrize(
    "name",
    [
        "django/test/client.py",
        "streams_project/management/commands/runserver.py",
        "curl/__init__.py",
    ],
)
def test_a_file_that_no_request_needs_is_excluded(name: str) -> None:
    assert EXCLUDED.search(name)


@pytest.mark.parametrize(
    "name",
    [
        "streams/management/commands/limit.py",
        "django/core/management/__init__.py",
        "pycurl/__init__.py",
    ],
)
def test_a_similar_name_is_not_excluded(name: str) -> None:
    assert not EXCLUDED.search(name)


def test_no_file_of_the_project_contains_conflict_markers() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    marker = re.compile(rb"^(<{7} |={7}$|>{7} )", re.MULTILINE)
    files = [PROJECT / name for name in listed.stdout.splitlines()]
    texts = {file.name: file.read_bytes() for file in files if file.is_file()}

    assert [name for name, text in texts.items() if marker.search(text)] == []
