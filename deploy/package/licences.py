"""The licences of what ships: `python -m deploy.package.licences` writes the page."""

import subprocess
import sys
import zipfile

from deploy.package.bill_of_materials import bundled_libraries
from deploy.package.contents import DISTRIBUTIONS, PUBLISHED_KEYS_DISTRIBUTIONS
from deploy.package.wheels import find_wheels
from stages import PROJECT

PAGE = PROJECT / "docs" / "licences.md"

INTRODUCTION = """\
# Licences of what ships

The package that `zappa deploy` uploads contains files of these distributions and of no
others. It contains cryptography and cffi only for stages whose tokens are signed with
published keys. `python -m deploy.package.licences` writes this page, and a test
compares it with the pinned versions.

drf-spectacular-sidecar contains Swagger UI (Apache-2.0, with its licence).

"""

BUNDLED_INTRODUCTION = """
## Inside the wheels

pycurl's wheel contains the libraries that libcurl is made of. orjson's contains
compiled Rust crates, and cryptography's contains OpenSSL (Apache-2.0) and Rust crates.
[dependencies.md](dependencies.md) explains how to learn of their vulnerabilities.

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
"""The project and the licence of each library in pycurl's wheel, by its file name."""


def page() -> str:
    """Return the text that docs/licences.md must have."""
    rows = [_row(file) for file in bundled_files()]
    return INTRODUCTION + _licence_table() + BUNDLED_INTRODUCTION + "".join(rows)


def bundled_files() -> list[str]:
    """Return the shared libraries in pycurl's wheel for an arm64 stage."""
    wheels = find_wheels(["pycurl"], runtime="python3.13", architecture="arm64")
    with zipfile.ZipFile(wheels["pycurl"]) as entries:
        return bundled_libraries(entries.namelist())


def library_name(file: str) -> str:
    """Return the name of a shared library without its version: `libcurl`."""
    return file.split(".so")[0]


def _licence_table() -> str:
    distributions = sorted({*DISTRIBUTIONS, *PUBLISHED_KEYS_DISTRIBUTIONS})
    result = subprocess.run(
        [
            *(sys.executable, "-m", "piplicenses"),
            *("--from=mixed", "--format=markdown"),
            *("--packages", *distributions),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return result.stdout


def _row(file: str) -> str:
    project, licence = LIBRARIES[library_name(file)]
    return f"| {file} | {project} | {licence} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
