"""A service in a separate process whose clock is wrong by a number of seconds.

    python -m tests.faults.served 2.0

It prints its URL, and stops when its standard input ends. It sets the clock before
it imports the service. The header `X-Now` of an answer is the instant (ms) at which the
service judged the call.
"""

import sys
import threading
import time
from typing import Any

OFFSET_NS = int(float(sys.argv[1]) * 1e9)
_time_ns, _time = time.time_ns, time.time
time.time_ns = lambda: _time_ns() + OFFSET_NS
time.time = lambda: _time() + OFFSET_NS / 1e9

# The application sets Django up, which the views need.
from streams_project.wsgi import application  # noqa: E402, I001
from streams.views import UserView  # noqa: E402
from tests.wsgi_servers import serving  # noqa: E402

_finalize_response = UserView.finalize_response


def _with_instant(self: UserView, *args: Any, **kwargs: Any) -> Any:
    response = _finalize_response(self, *args, **kwargs)
    response["X-Now"] = str(self.now)
    return response


UserView.finalize_response = _with_instant  # type: ignore[method-assign]

with serving(application) as url:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    threading.Thread(target=sys.stdin.read, daemon=True).start()
    sys.stdin.read()
