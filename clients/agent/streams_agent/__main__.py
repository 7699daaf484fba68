"""The command: `streams-agent agent.toml`."""

import argparse
import os
import socket
import sqlite3
import sys
from pathlib import Path

from aiohttp import web

from streams_agent import configuration, logs
from streams_agent.adapters import ADAPTERS
from streams_agent.application import BACKLOG, application

FIRST_INHERITED = 3
"""The file descriptor of the first socket that systemd passes."""


def main() -> int:
    """Run the agent until it is interrupted."""
    parser = argparse.ArgumentParser(prog="streams-agent", description=__doc__)
    parser.add_argument("configuration", type=Path, help="a TOML file")
    parser.add_argument("--log-level", default="info")
    arguments = parser.parse_args()

    logs.configure(arguments.log_level)
    try:
        options = configuration.read(arguments.configuration, ADAPTERS)
        web.run_app(
            application(options),
            sock=listener(options),
            backlog=BACKLOG,
            access_log=None,
            print=None,
        )
    except (configuration.InvalidConfiguration, sqlite3.Error, OSError) as exc:
        sys.stderr.write(f"streams-agent: {logs.redact(str(exc))}\n")
        return 1
    return 0


def listener(options: configuration.Options) -> socket.socket:
    """Return the socket of the supervisor (`sd_listen_fds`), or a new one.

    The supervisor's socket stays open while the agent restarts. A hook then waits for
    the new process, and no player is cut.
    """
    is_inherited = os.environ.get("LISTEN_PID") == str(os.getpid())
    if is_inherited and os.environ.get("LISTEN_FDS"):
        return socket.socket(fileno=FIRST_INHERITED)

    is_ipv6 = ":" in options.host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    address = (options.host, options.port)
    return socket.create_server(address, family=family, backlog=BACKLOG)


if __name__ == "__main__":
    sys.exit(main())
