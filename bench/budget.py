"""What a warm request and a cold start may cost, in counts, which do not depend on the machine as times do.

python -m bench.budget           count, and make the figures of today, and a little more, the budget (`make budget`)
python -m bench.budget VERB      what that verb calls, most often first (`make budget OF=start`)
python -m bench.budget modules   what a cold start imports

`budget.json` holds the budget, `tests/test_budget.py` holds the service to it.
"""

import json
import math
import platform
import sys
import sysconfig
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from bench import cold
from bench.engines import PROJECT, embedded
from bench.scene import TABLE, VERBS, connect, create_table, environment, start_of
from bench.workers import run_module
from deploy.package import OURS, PACKAGES

FILE = Path(__file__).with_name("budget.json")
HEADROOM = 1.03
PYTHON = ".".join(platform.python_version_tuple()[:2])
"""Another Python's own libraries call, and import, other functions than this one's."""
NEVER = (
    "boto3",
    "botocore.client",
    "botocore.docs",
    "botocore.loaders",
    "django.contrib.admin",
    "django.contrib.admindocs",
    "django.contrib.auth",
    "django.contrib.messages",
    "django.db.backends.sqlite3",
    "django.template.loaders",
    "django.test",
    "pygments",
    "requests",
    "rest_framework.schemas",
    "rest_framework.templatetags",
    "streams.pages",
    "unittest",
)
"""What no request of a player needs. Those that a cold start does without, when the budget is made, must stay away."""


def calls(endpoint: str, table: str = TABLE) -> dict[str, Counter[str]]:
    """For each verb the functions that one warm request calls, and how often."""
    counted = run_module("counts", environment=environment(endpoint, table) | {"PYTHONHASHSEED": "0"})
    return {verb: Counter(found) for verb, found in counted.items()}


def modules(endpoint: str, table: str = TABLE) -> list[str]:
    """Every module that a cold start imports, its first request included, when there is no more than what ships."""
    request = start_of(str(uuid.uuid4()))
    with tempfile.TemporaryDirectory() as folder:
        _link_what_ships(Path(folder))
        figures = cold.run("service", Path(folder), environment(endpoint, table) | {"REQUEST": json.dumps(request)})
    found: list[str] = figures["modules"]
    return found


def _link_what_ships(folder: Path) -> None:
    installed = Path(sysconfig.get_path("purelib"))
    for root, names in ((PROJECT, (*OURS, "bench")), (installed, PACKAGES)):
        for name in names:
            if (root / name).exists():  # zappa's settings are written when it packages
                (folder / name).symlink_to(root / name)


def is_loaded(name: str, loaded: list[str]) -> bool:
    """Whether a module, or any in it, is among these."""
    return any(f"{module}.".startswith(f"{name}.") for module in loaded)


def read() -> dict[str, Any]:
    """The budget: `{"python", "calls": {verb: at most}, "modules": at most, "never": [module]}`."""
    budget: dict[str, Any] = json.loads(FILE.read_text())
    return budget


def main() -> None:
    """Rewrite the budget, or say what it is spent on."""
    with embedded() as endpoint:
        create_table(connect(endpoint))
        found, loaded = calls(endpoint), modules(endpoint)
    if asked := "".join(sys.argv[1:]):
        print(
            *(loaded if asked == "modules" else (f"{n:6} {name}" for name, n in found[asked].most_common())), sep="\n"
        )
        return
    budget = {
        "python": PYTHON,
        "calls": {verb: math.ceil(found[verb].total() * HEADROOM) for verb in VERBS},
        "modules": math.ceil(len(loaded) * HEADROOM),
        "never": [name for name in NEVER if not is_loaded(name, loaded)],
    }
    FILE.write_text(json.dumps(budget, indent=1) + "\n")
    print(FILE.read_text(), end="")
    print("Loaded all the same:", *(name for name in NEVER if is_loaded(name, loaded)))


if __name__ == "__main__":
    main()
