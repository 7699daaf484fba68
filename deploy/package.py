"""The package that ships: what a request can reach, compiled ahead, the same bytes from the same sources.

Zappa packs the whole environment that it runs in; its callback `zip` then hands the archive to `finish`, before it is
uploaded, so `zappa package`, `zappa deploy` and `zappa update` all ship the same small one:

* of the environment, only the packages named here, whatever else is installed; of botocore's data, only DynamoDB's;
* bytecode beside every source, of the kind that is never checked against it (PEP 552): on Lambda's read-only disk
  nothing is compiled at a cold start, and no time stamp is in it;
* entries in order, with one fixed time.

`python -m deploy.package ARCHIVE` says what is in one, by size.
"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from click import ClickException

OURS = ("streams", "streams_project", "clients", "zappa_settings.py")
PACKAGES = (
    "apig_wsgi", "asgiref", "botocore", "corsheaders", "dateutil", "django", "drf_spectacular_sidecar", "jmespath",
    "jwt", "pynamodb", "rest_framework", "six.py", "sqlparse", "urllib3", "whitenoise",
    "zappa", "boto3", "s3transfer", "durationpy", "markupsafe", "werkzeug",  # Zappa's handler and what it imports
)  # fmt: skip
FOR_PUBLISHED_KEYS = ("cryptography", "cffi", "_cffi_backend")
"""Where viewers' tokens are signed with published keys: large, and compiled for one architecture."""

LEFT_OUT = re.compile(
    r"""
      (^|/)__pycache__/
    | (^|/)tests?/
    | \.(pyi|pyx|pxd|c|h|po|mo|map|typed|md|rst|txt)$
    | ^botocore/data/(?!dynamodb/2012-08-10/|[^/]*\.json$)
    | ^botocore/data/dynamodb/.*/(examples|waiters|paginators)
    | ^boto3/(data|examples|docs)/
    | ^clients/python/
    | ^django/contrib/(gis|postgres|flatpages|redirects|sitemaps|syndication|humanize|sites)/
    | ^django/contrib/(admin|admindocs|auth|gis)/(static|templates|locale)/
    | ^django/(contrib/\w+|conf)/locale/(?!en/)\w+/
    | ^django/(test|core/management/commands/test\w*\.py)
<<<<<<< HEAD
    | ^rest_framework/locale/
    | ^streams/management/commands/(preflight|provision|runserver)\.py$
=======
    | ^drf_spectacular_sidecar/static/.*/(redoc/|oauth2-|favicon-|swagger-ui-standalone-)
    | ^rest_framework/(locale|static)/
    | ^streams/management/commands/runserver\.py$
>>>>>>> pages
    | ^streams_project/local_dynamodb\.py$
    | ^werkzeug/debug/shared/
    | ^zappa/(cli|core|letsencrypt|middleware_tests)\.py$
    | ^zappa/\w*templates?/
    """,
    re.VERBOSE,
)
MODIFIED = (1980, 1, 1, 0, 0, 0)


def finish(cli: Any) -> None:
    """Zappa's callback: make the archive it has just written the one that ships, and say what is in it."""
    archive = Path(cli.zip_path)
    environment = {**cli.stage_config.get("environment_variables", {}), **(cli.aws_environment_variables or {})}
    with_published_keys = bool(environment.get("AUTH_JWKS"))
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    if with_published_keys and machine != (cli.stage_config.get("architecture") or "x86_64"):
        raise ClickException(
            f"AUTH_JWKS needs the package cryptography, which is compiled for this machine ({machine}), and the stage "
            "runs on another architecture: set the stage's architecture, or deploy from a machine like it."
        )
    rebuild(archive, with_published_keys=with_published_keys)
    print(report(archive))  # noqa: T201


def rebuild(archive: Path, *, with_published_keys: bool = False) -> None:
    """Write the archive anew, in place."""
    kept = OURS + PACKAGES + (FOR_PUBLISHED_KEYS if with_published_keys else ())
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(archive) as source:
            for name in source.namelist():
                is_named = name.split("/")[0].split(".cpython")[0] in kept
                is_for_this_machine = name.endswith(".so") and not with_published_keys
                if is_named and not is_for_this_machine and not LEFT_OUT.search(name):
                    source.extract(name, folder)
        _compile(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        with zipfile.ZipFile(archive, "w") as target:
            for path in files:
                entry = zipfile.ZipInfo(str(path.relative_to(folder)), MODIFIED)
                entry.external_attr = 0o644 << 16
                target.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


def _compile(folder: str) -> None:
    """Bytecode beside every source, as it will be found on Lambda. In a process of its own, with hashes fixed: else the
    order of a set's members would differ from one package to the next."""
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run(
        [*command, "-s", folder, "-p", "/var/task", folder], check=True, env=os.environ | {"PYTHONHASHSEED": "0"}
    )


def report(archive: Path) -> str:
    """What is in an archive, by size: compressed KiB, then unzipped."""
    with zipfile.ZipFile(archive) as source:
        entries = source.infolist()
    packed: Counter[str] = Counter()
    unpacked: Counter[str] = Counter()
    for entry in entries:
        top = entry.filename.split("/")[0]
        packed[top] += entry.compress_size
        unpacked[top] += entry.file_size
    rows = [f"{size / 1024:10,.0f} {unpacked[top] / 1024:10,.0f}  {top}" for top, size in packed.most_common()]
    total = f"{archive.stat().st_size / 1024:10,.0f} {unpacked.total() / 1024:10,.0f}  in all, {len(entries)} files"
    return "\n".join([f"{'zip KiB':>10} {'KiB':>10}", *rows, total])


if __name__ == "__main__":
    print(report(Path(sys.argv[1])))  # noqa: T201
