"""The package that ships: what a request can reach, compiled ahead, the same bytes from the same commit.

Zappa is told to collect nothing (`"exclude": ["*"]`); its callback `zip` then has `build` make the archive, before it
is uploaded, so that `zappa package`, `zappa deploy` and `zappa update` all ship the same one:

* of this project, what git tracks in the folders named here, and nothing that merely lies there;
* of what it depends on, the files of the wheels that requirements*.txt pin by hash, for the stage's Python and
  architecture; what is installed where it is packed plays no part;
* bytecode beside every source, of the kind that is never checked against it (PEP 552): on Lambda's read-only disk
  nothing is compiled at a cold start, and no time stamp is in it;
* `release.json` (version, commit) and `bom.cdx.json` (a CycloneDX bill of materials).

`python -m deploy.package` writes deploy/manifest.txt, which a test holds to what ships; with an ARCHIVE it says what is
in that, by size.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from click import ClickException

from deploy.bom import bill_of_materials
from deploy.release import Release, git, release
from deploy.wheels import wheels
from stages import PROJECT

OURS = ("streams", "streams_project", "clients/web", "docs/plans")
DISTRIBUTIONS = (
    "apig-wsgi", "asgiref", "botocore", "django", "django-cors-headers", "djangorestframework",
    "drf-spectacular-sidecar", "jmespath", "orjson", "pybreaker", "pycurl", "pyjwt", "pynamodb", "python-dateutil",
    "six", "sqlparse", "urllib3", "whitenoise",
    "boto3", "durationpy", "markupsafe", "s3transfer", "werkzeug", "zappa",  # Zappa's handler and what it imports
)  # fmt: skip
FOR_PUBLISHED_KEYS = ("cffi", "cryptography")
"""Where viewers' tokens are signed with published keys."""
AT_MOST_MIB, AT_MOST_MIB_WITH_PUBLISHED_KEYS = 16, 20
MANIFEST = PROJECT / "deploy" / "manifest.txt"

LEFT_OUT = re.compile(
    r"""
      (^|/)__pycache__/
    | (^|/)tests?/
    | ^[^/]+\.(dist-info|data)/
    | \.(pyi|pyx|pxd|c|h|po|mo|map|typed|md|rst|txt)$
    | ^boto3/(data|examples)/
    | ^botocore/data/(?!(dynamodb|secretsmanager|ssm)/|[^/]*\.json$)
    | ^botocore/data/\w+/.*/(examples|waiters|paginators)
    | ^cffi/
    | ^curl/
    | ^dateutil/zoneinfo/.*\.tar\.gz$
    | ^django/contrib/(admin|admindocs|auth|gis)/(static|templates|locale)/
    | ^django/contrib/(gis|postgres|flatpages|redirects|sitemaps|syndication|humanize|sites)/
    | ^django/(contrib/\w+|conf)/locale/(?!en/)\w+/
    | ^django/(test|core/management/commands/test\w*\.py)
    | ^drf_spectacular_sidecar/static/.*/(redoc/|oauth2-|favicon-|swagger-ui-standalone-)
    | ^rest_framework/(locale|static)/
    | ^streams_project/management/
    | ^streams_project/(local_dynamodb|prometheus)\.py$
    | ^werkzeug/debug/shared/
    | ^zappa/(cli|core|letsencrypt|middleware_tests)\.py$
    | ^zappa/\w*templates?/
    """,
    re.VERBOSE,
)
MODIFIED = (1980, 1, 1, 0, 0, 0)


def build(
    archive: Path,
    *,
    zappa_settings: bytes,
    runtime: str,
    architecture: str,
    with_published_keys: bool = False,
) -> None:
    """Write the archive. `zappa_settings` is the module that Zappa's handler reads."""
    python, now = interpreter(runtime), release()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collect(
            folder,
            now,
            runtime=runtime,
            architecture=architecture,
            with_published_keys=with_published_keys,
        )
        (folder / "zappa_settings.py").write_bytes(zappa_settings)
        _compile(folder, python)
        with zipfile.ZipFile(archive, "w") as target:
            for file in files_in(folder):
                entry = zipfile.ZipInfo(file, MODIFIED)
                entry.external_attr = 0o644 << 16
                target.writestr(
                    entry, (folder / file).read_bytes(), zipfile.ZIP_DEFLATED, 6
                )
    most = AT_MOST_MIB_WITH_PUBLISHED_KEYS if with_published_keys else AT_MOST_MIB
    if archive.stat().st_size > most * 2**20:
        raise ClickException(
            f"The package has {archive.stat().st_size / 2**20:.1f} MiB, of at most {most}."
        )


def collect(
    folder: Path,
    now: Release,
    *,
    runtime: str,
    architecture: str,
    with_published_keys: bool = False,
) -> None:
    """The files that ship, as sources."""
    names = DISTRIBUTIONS + (FOR_PUBLISHED_KEYS if with_published_keys else ())
    found = wheels(names, runtime=runtime, architecture=architecture)
    for wheel in found.values():
        with zipfile.ZipFile(wheel) as entries:
            for name in entries.namelist():
                if not name.endswith("/") and not LEFT_OUT.search(name):
                    entries.extract(name, folder)
    for name in shipped():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PROJECT / name, folder / name)
    (folder / "release.json").write_text(json.dumps(now._asdict()))
    (folder / "bom.cdx.json").write_text(bill_of_materials(now, found))


def shipped() -> list[str]:
    """What ships of ours: what git tracks of it. A link could lead to anything, so that none does."""
    names = git("ls-files", "-z", "--", *OURS).split("\0")
    return [
        name
        for name in names
        if name and _is_ours(PROJECT / name) and not LEFT_OUT.search(name)
    ]


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def interpreter(runtime: str) -> str:
    """A Python of the stage's version: bytecode of another would be compiled anew at every cold start."""
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(runtime)
    if (
        found
        and subprocess.run(
            [found, "-c", ""], capture_output=True, check=False
        ).returncode
        == 0
    ):
        return found
    raise ClickException(
        f"The stage runs on {runtime}, and no {runtime} is on the PATH to compile the package with."
    )


def _compile(folder: Path, python: str) -> None:
    """Bytecode beside every source, as it will be found on Lambda."""
    command = [
        python,
        "-I",
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
    ]
    subprocess.run(
        [*command, "-s", str(folder), "-p", "/var/task", str(folder)], check=True
    )


def manifest() -> str:
    """Every file that ships to an arm64 stage with published keys, but for bytecode."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collect(
            folder,
            release(),
            runtime="python3.13",
            architecture="arm64",
            with_published_keys=True,
        )
        return "".join(
            f"{file}\n" for file in sorted([*files_in(folder), "zappa_settings.py"])
        )


def files_in(folder: Path) -> list[str]:
    """Every file in a folder, in the order in which they ship."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
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
    rows = [
        f"{size / 1024:10,.0f} {unpacked[top] / 1024:10,.0f}  {top}"
        for top, size in packed.most_common()
    ]
    total = f"{archive.stat().st_size / 1024:10,.0f} {unpacked.total() / 1024:10,.0f}  in all, {len(entries)} files"
    return "\n".join([f"{'zip KiB':>10} {'KiB':>10}", *rows, total])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(report(Path(sys.argv[1])))  # noqa: T201
    else:
        MANIFEST.write_text(manifest())
