"""The soak with a service of another release.

python -m tests.releases.soak FOLDER
"""

import sys
from pathlib import Path

from tests.faults.soak import main
from tests.servers import PROJECT

if __name__ == "__main__":
    sys.exit(main((PROJECT, Path(sys.argv[1]))))
