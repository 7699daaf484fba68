"""The files that ship, as sources.

Of this project, the package contains the files that git tracks in `OWN_FOLDERS`; other
files in these folders stay out. Of its dependencies, it contains the files of the
wheels that requirements*.txt pin by hash, for the stage's Python and architecture. The
packages that are installed on this machine have no influence.

`release.json` (version, commit) and `bom.cdx.json` (a CycloneDX bill of materials) are
generated.
"""

import dataclasses
import json
import re
import shutil
import tempfile
import zipfile
from pathlib import Path

from deploy.package.bill_of_materials import bill_of_materials
from deploy.package.checkout import Release, current_release, git
from deploy.package.wheels import find_wheels
from stages import PROJECT

OWN_FOLDERS = ("streams", "locale", "streams_project", "clients/web", "docs/plans")

SERVICE_DISTRIBUTIONS = (
    "apig-wsgi",
    "asgiref",
    "botocore",
    "django",
    "django-cors-headers",
    "djangorestframework",
    "drf-spectacular-sidecar",
    "jmespath",
    "orjson",
    "pybreaker",
    "pycurl",
    "pyjwt",
    "pynamodb",
    "python-dateutil",
    "six",
    "sqlparse",
    "urllib3",
    "whitenoise",
)
HANDLER_DISTRIBUTIONS = (
    "boto3",
    "durationpy",
    "markupsafe",
    "s3transfer",
    "werkzeug",
    "zappa",
)
"""Zappa's handler and the distributions that it imports."""

DISTRIBUTIONS = SERVICE_DISTRIBUTIONS + HANDLER_DISTRIBUTIONS

PUBLISHED_KEYS_DISTRIBUTIONS = ("cffi", "cryptography")
"""Added for stages whose tokens are signed with published keys."""

MANIFEST = Path(__file__).with_name("manifest.txt")

EXCLUDED = re.compile(
    r"""
      (^|/)__pycache__/
    | (^|/)tests?/
    | ^[^/]+\.(dist-info|data)/
    | \.(pyi|pyx|pxd|c|h|po|map|typed|md|rst|txt)$
    | ^(?!(streams|rest_framework)/locale/).*\.mo$
    | ^boto3/(data|examples)/
    | ^botocore/data/(?!(dynamodb|secretsmanager|ssm|sts)/|[^/]*\.json$)
    | ^botocore/data/\w+/.*/(examples|waiters|paginators)
    | ^cffi/
    | ^curl/
    | ^dateutil/zoneinfo/.*\.tar\.gz$
    | ^django/contrib/(admin|admindocs|auth|gis)/(static|templates|locale)/
    | ^django/contrib/
      (gis|postgres|flatpages|redirects|sitemaps|syndication|humanize|sites)/
    | ^django/contrib/auth/common-passwords\.txt\.gz$
    | ^django/(contrib/\w+|conf)/locale/(?!en/)\w+/
    | ^django/db/backends/(mysql|oracle|postgresql|sqlite3)/
    | ^django/core/management/commands/
      (compile|create|db|dump|flush|inspect|load|make|migrate|optimize|run|send|sql)
    | ^django/core/management/commands/(shell|show|squash|start|test)
    | ^django/test
    | ^drf_spectacular_sidecar/static/.*/
      (redoc/|oauth2-|favicon-|swagger-ui-standalone-)
    | ^rest_framework/static/
    | ^streams_project/management/
    | ^streams/sinks/prometheus\.py$
    | ^streams_project/local_dynamodb\.py$
    | ^streams_project/(gunicorn_\w+|health_check|http_server)\.py$
    | ^werkzeug/debug/shared/
    | ^zappa/(cli|core|letsencrypt|middleware_tests)\.py$
    | ^zappa/\w*templates?/
    """,
    re.VERBOSE,
)


def collect(
    folder: Path,
    release: Release,
    *,
    runtime: str,
    architecture: str,
    with_published_keys: bool = False,
) -> None:
    """Copy the files that ship into a folder, without bytecode."""
    names: tuple[str, ...] = DISTRIBUTIONS
    if with_published_keys:
        names += PUBLISHED_KEYS_DISTRIBUTIONS
    wheels = find_wheels(names, runtime=runtime, architecture=architecture)

    for wheel in wheels.values():
        _unpack(wheel, folder)
    for name in own_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, folder / name)

    release_json = json.dumps(dataclasses.asdict(release))
    (folder / "release.json").write_text(release_json)
    (folder / "bom.cdx.json").write_text(bill_of_materials(release, wheels))


def own_files() -> list[str]:
    """Return the files of this project that ship: regular files that git tracks.

    Symbolic links stay out, because a link can point to any file of this machine.
    """
    tracked = git("ls-files", "-z", "--", *OWN_FOLDERS).split("\0")
    names = [name for name in tracked if name and not EXCLUDED.search(name)]
    return [name for name in names if _is_regular_file(PROJECT / name)]


def files_in(folder: Path) -> list[str]:
    """Return the files below a folder in the order in which they ship."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(path.relative_to(folder).as_posix() for path in files)


def manifest() -> str:
    """Return the files that ship to an arm64 stage with published keys.

    One line per file. Bytecode is not listed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collect(
            folder,
            current_release(),
            runtime="python3.13",
            architecture="arm64",
            with_published_keys=True,
        )
        files = sorted([*files_in(folder), "zappa_settings.py"])
    return "".join(f"{file}\n" for file in files)


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as entries:
        for name in entries.namelist():
            if not name.endswith("/") and not EXCLUDED.search(name):
                entries.extract(name, folder)


def _is_regular_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
