"""The agent as a package."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.servers import PROJECT

CLIENTS = PROJECT / "clients"


def test_the_package_builds_and_runs_without_this_project(tmp_path: Path) -> None:
    wheel = built(tmp_path)
    names = zipfile.ZipFile(wheel).namelist()
    assert "streams_agent/py.typed" in names
    assert "streams_agent/adapters/nginx_rtmp.py" in names

    configuration = tmp_path / "agent.toml"
    configuration.write_text('limiter = "https://limits.example.com"')
    run = subprocess.run(
        [sys.executable, "-m", "streams_agent", str(configuration)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{wheel}{os.pathsep}{CLIENTS / 'python'}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "No server is configured" in run.stderr


def built(folder: Path) -> Path:
    """Build the agent's wheel, and return its path."""
    source = folder / "source"
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(CLIENTS / "agent", source, ignore=ignored)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    run = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", *options, str(source)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    [wheel] = folder.glob("*.whl")
    return wheel
