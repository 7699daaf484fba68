"""The archive that ships: compiled, and with the same bytes for each commit.

Each source has bytecode of the kind that Python does not compare with the source (PEP
552). Lambda's disk is read-only, so a cold start would otherwise compile every module.
The bytecode contains no time stamp.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from click import ClickException

from deploy.package.checkout import current_release
from deploy.package.contents import collect, files_in

MIB = 2**20
MAX_MIB = 16
MAX_MIB_WITH_PUBLISHED_KEYS = 20

MODIFICATION_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the archive: the earliest that the format can express."""

READABLE_BY_ALL = 0o644 << 16
"""The permissions of every file, in the upper half of a ZIP entry's attributes."""


def build(
    archive: Path,
    *,
    zappa_settings: bytes,
    runtime: str,
    architecture: str,
    with_published_keys: bool = False,
) -> None:
    """Write the archive for a stage.

    `zappa_settings` is the module that Zappa's handler reads.

    Raises:
        ClickException: the archive is too large, or a wheel or the stage's Python is
            not available.
    """
    python = interpreter(runtime)
    release = current_release()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collect(
            folder,
            release,
            runtime=runtime,
            architecture=architecture,
            with_published_keys=with_published_keys,
        )
        (folder / "zappa_settings.py").write_bytes(zappa_settings)
        _compile(folder, python)
        _write(archive, folder)

    max_mib = MAX_MIB_WITH_PUBLISHED_KEYS if with_published_keys else MAX_MIB
    size_mib = archive.stat().st_size / MIB
    if size_mib > max_mib:
        raise ClickException(
            f"The package has {size_mib:.1f} MiB, more than the limit of {max_mib} MiB."
        )


def interpreter(runtime: str) -> str:
    """Return the command of a Python of the stage's version.

    Bytecode of another version would be ignored at every cold start.

    Raises:
        ClickException: this machine has no such Python.
    """
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable

    python = shutil.which(runtime)
    if python is None or not _runs(python):
        raise ClickException(
            f"The stage runs on {runtime}, and no {runtime} is on the PATH to compile "
            "the package with."
        )
    return python


def code_sha256(archive: Path) -> str:
    """Return the hash of an archive as Lambda reports it (`CodeSha256`)."""
    digest = hashlib.sha256(archive.read_bytes()).digest()
    return base64.b64encode(digest).decode()


def size_table(archive: Path) -> str:
    """Return a table of the sizes in an archive, by top-level name, in KiB."""
    with zipfile.ZipFile(archive) as source:
        entries = source.infolist()

    packed: Counter[str] = Counter()
    unpacked: Counter[str] = Counter()
    for entry in entries:
        top = entry.filename.split("/")[0]
        packed[top] += entry.compress_size
        unpacked[top] += entry.file_size

    head = f"{'zip KiB':>10} {'KiB':>10}"
    rows = [_row(size, unpacked[top], top) for top, size in packed.most_common()]
    total = _row(
        archive.stat().st_size,
        unpacked.total(),
        f"in all, {len(entries)} files",
    )
    return "\n".join([head, *rows, total])


def _compile(folder: Path, python: str) -> None:
    """Compile every source, under the path that it has on Lambda."""
    subprocess.run(
        [
            *(python, "-I", "-m", "compileall", "-q"),
            *("--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", "/var/task"),
            str(folder),
        ],
        check=True,
    )


def _write(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive, "w") as target:
        for file in files_in(folder):
            entry = zipfile.ZipInfo(file, MODIFICATION_TIME)
            entry.external_attr = READABLE_BY_ALL
            content = (folder / file).read_bytes()
            target.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=6)


def _runs(python: str) -> bool:
    command = [python, "-c", ""]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _row(packed: int, unpacked: int, name: str) -> str:
    return f"{packed / 1024:10,.0f} {unpacked / 1024:10,.0f}  {name}"
