"""The bill of materials of a package, as CycloneDX 1.6.

It has one component per distribution, and one per shared library inside a wheel.

Source: https://cyclonedx.org/docs/1.6/json/
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from deploy.package.checkout import Release

METADATA = re.compile(r"[^/]+\.dist-info/METADATA")
BUNDLED_LIBRARY = re.compile(r"[^/]+\.libs/(.+?)-[0-9a-f]{8}(\.so.*)")
"""A library that auditwheel added: its name, a hash, its version."""


def bill_of_materials(release: Release, wheels: Mapping[str, Path]) -> str:
    """Return the document as JSON.

    The same release always has the same text: it contains no time and no serial number.
    """
    application = {
        "type": "application",
        "name": "stream-limits",
        "version": release.version,
        "properties": [{"name": "commit", "value": release.commit}],
    }
    components = [_component(name, wheel) for name, wheel in sorted(wheels.items())]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": application},
        "components": components,
    }
    return json.dumps(document, indent=1)


def bundled_libraries(names: list[str]) -> list[str]:
    """Return the shared libraries inside a wheel, such as `libcurl.so.4.8.0`.

    `names` are the names of the wheel's entries.
    """
    matches = [BUNDLED_LIBRARY.fullmatch(name) for name in names]
    return sorted(match[1] + match[2] for match in matches if match)


def _component(name: str, wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as entries:
        names = entries.namelist()
        (metadata,) = [entry for entry in names if METADATA.fullmatch(entry)]
        headers = HeaderParser().parsestr(entries.read(metadata).decode())

    version = headers["Version"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    component: dict[str, Any] = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }

    libraries = [{"type": "library", "name": lib} for lib in bundled_libraries(names)]
    if libraries:
        component["components"] = libraries
    return component
