"""`python -m deploy.verify URL`: check a deployment from outside."""

import sys

from deploy.verify.command import main

if __name__ == "__main__":
    sys.exit(main())
