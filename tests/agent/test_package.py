"""The agent as a package."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.servers import PROJECT


def test_the_package_builds_and_runs_without_this_project(tmp_path: Path) -> None:
    wheels = [built(tmp_path, name) for name in ("agent", "python")]
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert "streams_agent/py.typed" in names
    assert "streams_agent/adapters/nginx_rtmp.py" in names

    configuration = tmp_path / "agent.toml"
    configuration.write_text('limiter = "https://limits.example.com"')
    run = subprocess.run(
        [sys.executable, "-m", "streams_agent", str(configuration)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, wheels))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "No server is configured" in run.stderr


def built(folder: Path, name: str) -> Path:
    """Build the wheel of a client, and return its path."""
    source = folder / name
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(PROJECT / "clients" / name, source, ignore=ignored)
    wheels = folder / f"wheel-of-{name}"
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
    run = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", *options, str(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    [wheel] = wheels.glob("*.whl")
    return wheel
