"""nginx with the configuration of clients/edge."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.edge_vectors import SKEW_SECONDS
from tests.servers import PROJECT, free_port, is_open

EDGE = PROJECT / "clients" / "edge"
START_SECONDS = 10
TLS_LISTENER = "listen [::]:443 ssl ipv6only=off;"


@contextmanager
def nginx_with_validator(
    folder: Path, origin_url: str, jwks: Mapping[str, Any]
) -> Iterator[str]:
    """Run nginx in front of an origin, with its files in this folder.

    The configuration is that of clients/edge, except for places, ports and TLS.
    """
    place = f"127.0.0.1:{free_port()}"
    changes = {
        TLS_LISTENER: f"listen {place};",
        "ssl_certificate /etc/nginx/edge/certificate.pem;": "",
        "ssl_certificate_key /etc/nginx/edge/certificate.key;": "",
        "root /var/www/media;": f"proxy_pass {origin_url};",
    }
    with nginx(folder, f"http://{place}", jwks, changes) as url:
        yield url


@contextmanager
def nginx(
    folder: Path, url: str, jwks: Mapping[str, Any], changes: Mapping[str, str]
) -> Iterator[str]:
    """Run nginx with the configuration of clients/edge, and changes of its text."""
    (folder / "jwks.json").write_text(json.dumps(jwks))
    (folder / "nginx.conf").write_text(_configuration(folder, changes))

    command = [
        shutil.which("nginx") or "/usr/sbin/nginx",
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "start.log"),
    ]
    with subprocess.Popen(command) as process:
        try:
            _wait_until_open(process, url)
            yield url
        finally:
            process.terminate()


def _configuration(folder: Path, changes: Mapping[str, str]) -> str:
    temporary_paths = " ".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    replacements = {
        **changes,
        "load_module modules/": "load_module /usr/lib/nginx/modules/",
        "/etc/nginx/edge/jwks.json": str(folder / "jwks.json"),
        "/etc/nginx/edge/nginx.js": str(EDGE / "nginx.js"),
        "/var/log/nginx/": f"{folder}/",
        "$edge_issuer https": '$edge_issuer "https://the-url-before.example.com https',
        "streams.example.com;\n        set $edge_aud": (
            'streams.example.com";\n        set $edge_aud'
        ),
        "$edge_skew_seconds 0": f"$edge_skew_seconds {SKEW_SECONDS}",
        "events {}": f"events {{}} daemon off; master_process off; pid {folder}/pid;",
        "http {": f"http {{ {temporary_paths}",
    }

    text = (EDGE / "nginx.conf").read_text()
    for shown, used in replacements.items():
        assert shown in text, shown
        text = text.replace(shown, used)
    return text


def _wait_until_open(process: subprocess.Popen[bytes], url: str) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while not is_open(url):
        if time.monotonic() >= give_up_at or process.poll() is not None:
            return
