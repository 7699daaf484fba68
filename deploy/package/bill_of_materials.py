"""The bill of materials of a package: CycloneDX 1.6, one component for each distribution and for each library that a
wheel brings along.

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

from deploy.release import Release


def bill_of_materials(release: Release, wheels: Mapping[str, Path]) -> str:
    """As JSON, the same text for the same release: neither a time nor a serial number is in it."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "stream-limits",
                "version": release.version,
                "properties": [{"name": "commit", "value": release.commit}],
            }
        },
        "components": [
            _component(name, wheel) for name, wheel in sorted(wheels.items())
        ],
    }
    return json.dumps(document, indent=1)


def _component(name: str, wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as entries:
        (metadata,) = [
            entry
            for entry in entries.namelist()
            if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry)
        ]
        said = HeaderParser().parsestr(entries.read(metadata).decode())
        bundled = bundled_libraries(entries.namelist())
    component = {
        "type": "library",
        "name": name,
        "version": said["Version"],
        "purl": f"pkg:pypi/{name}@{said['Version']}",
        "hashes": [
            {
                "alg": "SHA-256",
                "content": hashlib.sha256(wheel.read_bytes()).hexdigest(),
            }
        ],
    }
    if bundled:
        component["components"] = [
            {"type": "library", "name": library} for library in bundled
        ]
    return component


def bundled_libraries(names: list[str]) -> list[str]:
    """The shared libraries that auditwheel put into a wheel, such as `libcurl.so.4.8.0`."""
    found = (
        re.fullmatch(r"[^/]+\.libs/(.+?)-[0-9a-f]{8}(\.so.*)", name) for name in names
    )
    return sorted(match[1] + match[2] for match in found if match)
