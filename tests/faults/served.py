"""A service in a separate process whose clock is wrong by a number of seconds.

    python -m tests.faults.served 2.0

It prints its URL, and stops when its standard input ends. It sets the clock before
it imports the service.
"""

import sys
import threading
import time

OFFSET_NS = int(float(sys.argv[1]) * 1e9)
_time_ns, _time = time.time_ns, time.time
time.time_ns = lambda: _time_ns() + OFFSET_NS
time.time = lambda: _time() + OFFSET_NS / 1e9

from streams_project.wsgi import application  # noqa: E402
from tests.wsgi_servers import serving  # noqa: E402

with serving(application) as url:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    threading.Thread(target=sys.stdin.read, daemon=True).start()
    sys.stdin.read()
