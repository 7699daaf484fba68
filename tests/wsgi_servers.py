"""HTTP servers of WSGI applications in threads of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from streams_project.wsgi import application


class _QuietHandler(WSGIRequestHandler):
    # Head and body are two packets. The second would wait for the first one's ACK.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _ServiceServer(ThreadedWSGIServer):
    request_queue_size = 1024


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """Serve a WSGI application on a free port and give its URL."""
    server = _ServiceServer(("127.0.0.1", 0), _QuietHandler)
    server.set_app(application)
    thread = threading.Thread(
        target=server.serve_forever,
        kwargs={"poll_interval": 0.01},
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_under(prefix: str) -> Iterator[str]:
    """Serve the service under a path (`/test`), as a stage of API Gateway does."""

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        environ["SCRIPT_NAME"] = prefix
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
        return application(environ, start_response)

    with serving(mounted) as url:
        yield url + prefix
