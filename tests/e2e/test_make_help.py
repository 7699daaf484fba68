"""`make help` lists the targets of the Makefile."""

import re
import subprocess

from tests.servers import PROJECT


def test_help_lists_every_target_with_a_sentence() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    printed = subprocess.run(
        ["make", "help"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout

    listed = re.findall(r"^make (\S+) +[A-Z].*\.$", printed, re.MULTILINE)
    assert sorted(listed) == sorted(phony.split())
