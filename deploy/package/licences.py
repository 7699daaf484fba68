"""The licences of what ships: `python -m deploy.licences` writes docs/licences.md."""

import subprocess
import sys
import zipfile
from pathlib import Path

from deploy.bom import bundled_libraries
from deploy.package import DISTRIBUTIONS, FOR_PUBLISHED_KEYS
from deploy.wheels import wheels

LIST = Path(__file__).parent.parent / "docs" / "licences.md"
HEAD = """\
# Licences of what ships

The package that `zappa deploy` uploads holds files of these, and of nothing else; cryptography and cffi only where
viewers' tokens are signed by published keys. Written by `python -m deploy.licences`; a test holds it to what is
pinned.

drf-spectacular-sidecar brings Swagger UI (Apache-2.0, its licence beside it).

"""
BUNDLED = """
## Inside the wheels

pycurl's wheel brings the libraries that libcurl is made of, orjson's has Rust crates compiled in, and cryptography's
OpenSSL (Apache-2.0) and Rust crates. [dependencies.md](dependencies.md) says how to hear of their vulnerabilities.

| File | Library | License |
|---|---|---|
"""
LIBRARIES = {
    "libbrotlicommon": ("Brotli", "MIT"),
    "libbrotlidec": ("Brotli", "MIT"),
    "libcom_err": ("MIT Kerberos", "MIT"),
    "libcrypto": ("OpenSSL", "Apache-2.0"),
    "libcurl": ("curl", "curl"),
    "libgssapi_krb5": ("MIT Kerberos", "MIT"),
    "libidn2": ("GNU Libidn2", "LGPL-3.0-or-later or GPL-2.0-or-later"),
    "libk5crypto": ("MIT Kerberos", "MIT"),
    "libkrb5": ("MIT Kerberos", "MIT"),
    "libkrb5support": ("MIT Kerberos", "MIT"),
    "libnghttp2": ("nghttp2", "MIT"),
    "libnghttp3": ("nghttp3", "MIT"),
    "libngtcp2": ("ngtcp2", "MIT"),
    "libngtcp2_crypto_ossl": ("ngtcp2", "MIT"),
    "libpsl": ("libpsl", "MIT"),
    "libsfparse": ("sfparse", "MIT"),
    "libssh2": ("libssh2", "BSD-3-Clause"),
    "libssl": ("OpenSSL", "Apache-2.0"),
    "libunistring": ("GNU libunistring", "LGPL-3.0-or-later or GPL-2.0-or-later"),
}


def written() -> str:
    """The list, as it should stand in docs/licences.md."""
    command = [
        sys.executable,
        "-m",
        "piplicenses",
        "--from=mixed",
        "--format=markdown",
        "--packages",
    ]
    shipped = sorted({*DISTRIBUTIONS, *FOR_PUBLISHED_KEYS})
    table = subprocess.run(
        [*command, *shipped], check=True, capture_output=True, text=True
    )
    rows = [
        f"| {file} | {' | '.join(LIBRARIES[file.split('.so')[0]])} |\n"
        for file in bundled()
    ]
    return HEAD + table.stdout + BUNDLED + "".join(rows)


def bundled() -> list[str]:
    """The libraries that pycurl's wheel brings to an arm64 stage."""
    wheel = wheels(["pycurl"], runtime="python3.13", architecture="arm64")["pycurl"]
    with zipfile.ZipFile(wheel) as entries:
        return bundled_libraries(entries.namelist())


if __name__ == "__main__":
    LIST.write_text(written())
