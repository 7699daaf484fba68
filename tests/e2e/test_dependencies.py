"""The same pinned versions are installed, tested and shipped."""

import re
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.package import licences
from deploy.package.contents import DISTRIBUTIONS, PUBLISHED_KEYS_DISTRIBUTIONS
from tests.servers import PROJECT

LOCK_FILES = (
    "requirements",
    "requirements-jwks",
    "requirements-container",
    "requirements-dev",
    "requirements-audit",
)
COMMENT = re.compile(r"^\s*(#|-r ).*\n", re.MULTILINE)
REQUIREMENT = re.compile(r"([a-z0-9.-]+)==(\S+)(?: .*)?")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Pinned(NamedTuple):
    """A version and the hashes of its files."""

    version: str
    hashes: frozenset[str]


def pins(path: Path) -> dict[str, Pinned]:
    """Return the pinned versions of a file, by package."""
    joined_lines = path.read_text().replace("\\\n", " ")
    pinned = {}
    for line in COMMENT.sub("", joined_lines).splitlines():
        match = REQUIREMENT.fullmatch(line)
        assert match, line
        pinned[match[1]] = Pinned(match[2], frozenset(HASH.findall(line)))
    return pinned


def locked(name: str) -> dict[str, Pinned]:
    return pins(PROJECT / f"{name}.txt")


def versions(pinned: dict[str, Pinned]) -> dict[str, str]:
    return {package: pin.version for package, pin in pinned.items()}


@pytest.mark.parametrize("name", LOCK_FILES)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    assert locked(name)
    assert [package for package, pin in locked(name).items() if not pin.hashes] == []


@pytest.mark.parametrize("name", LOCK_FILES)
def test_the_lock_file_pins_the_requirements_of_the_edited_file(name: str) -> None:
    edited = versions(pins(PROJECT / f"{name}.in"))

    assert edited.items() <= versions(locked(name)).items()


@pytest.mark.parametrize(
    "name", ["requirements", "requirements-jwks", "requirements-container"]
)
def test_the_shipped_versions_are_the_tested_ones(name: str) -> None:
    assert locked(name).items() <= locked("requirements-dev").items()


def test_the_installed_versions_are_the_pinned_ones() -> None:
    pinned = versions(locked("requirements-dev"))

    assert {package: version(package) for package in pinned} == pinned


def test_the_package_contains_runtime_requirements_only() -> None:
    assert set(DISTRIBUTIONS) <= locked("requirements").keys()
    assert set(PUBLISHED_KEYS_DISTRIBUTIONS) <= locked("requirements-jwks").keys()


def test_the_licence_of_every_library_in_pycurls_wheel_is_known() -> None:
    libraries = {licences.library_name(file) for file in licences.bundled_files()}

    assert libraries == licences.LIBRARIES.keys()


def test_the_page_of_licences_is_current() -> None:
    assert licences.PAGE.read_text() == licences.page(), (
        "Write it again: python -m deploy.package.licences"
    )
