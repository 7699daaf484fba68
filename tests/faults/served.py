"""A service in a process of its own whose clock is wrong by so many seconds: `python -m tests.faults.served 2.0`.

Prints its URL, and ends when its standard input does. The clock is set before anything of the service is imported."""

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
