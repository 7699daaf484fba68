"""What is installed, tested and shipped is what is pinned."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from deploy import licences
from deploy.package import DISTRIBUTIONS, FOR_PUBLISHED_KEYS
from tests.servers import PROJECT

LOCKED = (
    "requirements",
    "requirements-jwks",
    "requirements-container",
    "requirements-dev",
    "requirements-audit",
)


def pins(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """By package: its version, and the hashes of its files."""
    text = re.sub(
        r"^\s*(#|-r ).*\n",
        "",
        path.read_text().replace("\\\n", " "),
        flags=re.MULTILINE,
    )
    found = {}
    for line in text.splitlines():
        name, pinned = re.fullmatch(r"([a-z0-9.-]+)==(\S+)(?: .*)?", line).groups()  # type: ignore[union-attr]
        found[name] = (
            pinned,
            frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line)),
        )
    return found


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    return pins(PROJECT / f"{name}.txt")


@pytest.mark.parametrize("name", LOCKED)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    assert locked(name)
    assert not [package for package, (_, hashes) in locked(name).items() if not hashes]


@pytest.mark.parametrize("name", LOCKED)
def test_what_people_edit_is_what_is_pinned(name: str) -> None:
    asked = {
        package: pinned for package, (pinned, _) in pins(PROJECT / f"{name}.in").items()
    }
    assert (
        asked.items()
        <= {package: pinned for package, (pinned, _) in locked(name).items()}.items()
    )


@pytest.mark.parametrize(
    "name", ["requirements", "requirements-jwks", "requirements-container"]
)
def test_what_ships_is_pinned_as_it_is_tested(name: str) -> None:
    assert locked(name).items() <= locked("requirements-dev").items()


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned = {
        package: pinned for package, (pinned, _) in locked("requirements-dev").items()
    }
    assert {name: version(name) for name in pinned} == pinned


def test_the_package_holds_nothing_but_runtime_requirements() -> None:
    assert set(DISTRIBUTIONS) <= locked("requirements").keys()
    assert set(FOR_PUBLISHED_KEYS) <= locked("requirements-jwks").keys()


def test_every_library_inside_pycurls_wheel_is_known_by_its_licence() -> None:
    assert {
        file.split(".so")[0] for file in licences.bundled()
    } == licences.LIBRARIES.keys()


def test_the_list_of_licences_is_current() -> None:
    assert licences.LIST.read_text() == licences.written(), (
        "Write it anew: python -m deploy.licences"
    )
