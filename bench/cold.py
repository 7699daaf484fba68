"""Cold start: import and first request in a fresh process, from each peer's unzipped package on a folder that nobody
can write to."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(peer: str, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """One cold start: `{"cpu_ms", "wall_ms", "memory_mib", "modules"}`. Nothing is imported from outside the folder."""
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['worker', {peer!r}, '--cold']; "
        "import runpy; runpy.run_module('bench.worker', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{peer} failed cold:\n{done.stderr}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures
