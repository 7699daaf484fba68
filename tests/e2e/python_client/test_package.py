"""The Python client as a package."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.servers import PROJECT


def test_the_package_builds_and_imports_without_this_project(tmp_path: Path) -> None:
    source = tmp_path / "source"
    subprocess.run(
        ["cp", "-r", str(PROJECT / "clients" / "python"), str(source)], check=True
    )
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", *options, str(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr

    [wheel] = tmp_path.glob("*.whl")
    assert "streams_client/py.typed" in zipfile.ZipFile(wheel).namelist()
    program = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import streams_client; "
        "print(streams_client.__file__, *streams_client.__all__)"
    )
    imported = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert imported.returncode == 0, imported.stderr
    assert str(wheel) in imported.stdout
    assert "AsyncStreamClient" in imported.stdout
