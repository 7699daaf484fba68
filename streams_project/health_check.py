"""Asks the server of this container whether it answers: the image's HEALTHCHECK.

`python -m streams_project.health_check` ends with 0 if it does. It does not ask
DynamoDB, because a restart helps no database.
"""

import http.client
import os
import sys

SECONDS = 4


def is_healthy(port: int) -> bool:
    """Return whether `/healthz` answers with 200."""
    # Not urllib: it would send the request to the proxy that the environment names.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(int(os.environ.get("PORT", "8000"))))
