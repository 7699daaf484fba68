"""The package that Lambda runs: built from one commit, checked, and started here first.

Zappa collects no files (`"exclude": ["*"]`). Its callback `zip` calls `build`, so that
`zappa package`, `zappa deploy` and `zappa update` ship the same archive:

* `contents` selects the files: what git tracks of this project, and the files of the
  wheels that requirements*.txt pin by hash;
* `archive` compiles them and writes the archive, with the same bytes for each commit;
* `bill_of_materials` and `licences` list what the archive contains;
* `local_lambda` runs the archive on this machine as Lambda does.

`python -m deploy.package` writes manifest.txt, which a test compares with the contents.
`python -m deploy.package ARCHIVE` prints the sizes in an archive.
"""

from deploy.package.archive import build, code_sha256, interpreter, size_table
from deploy.package.checkout import changed_files, current_release
from deploy.package.contents import OWN_FOLDERS, own_files
from deploy.package.lambda_event import allowed_host, api_gateway_event
from deploy.package.local_lambda import (
    ARCHITECTURE,
    check_that_it_starts,
    error_message,
)
from deploy.package.wheels import MACHINES

__all__ = [
    "ARCHITECTURE",
    "MACHINES",
    "OWN_FOLDERS",
    "allowed_host",
    "api_gateway_event",
    "build",
    "changed_files",
    "check_that_it_starts",
    "code_sha256",
    "current_release",
    "error_message",
    "interpreter",
    "own_files",
    "size_table",
]
