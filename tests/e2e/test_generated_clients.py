"""OpenAPI Generator makes clients for Java and TypeScript that work."""

import os
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from streams.browsable.document import DOCUMENT
from tests.servers import PROJECT

SOURCES = Path(__file__).parent / "generated_clients"
NODE_TOOLS = PROJECT / ".ci" / "node_modules" / ".bin"
OLDER_DOCUMENT = DOCUMENT.parent / "openapi-3.0.json"
WITHOUT_TESTS_AND_PAGES = (
    "apis,models,supportingFiles,apiTests=false,modelTests=false,apiDocs=false,"
    "modelDocs=false"
)

pytestmark = pytest.mark.node


def run(*command: str | Path, cwd: Path = PROJECT) -> None:
    """Run a command. Fail with its output if it fails."""
    done = subprocess.run(
        [str(argument) for argument in command],
        cwd=cwd,
        env=os.environ | {"NODE_PATH": ""},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]


def generator() -> Path:
    """Return the jar of OpenAPI Generator. It also contains Jackson."""
    package = find_spec("openapi_generator_cli")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "openapi-generator.jar"


def generate(language: str, document: Path, folder: Path, *options: str) -> None:
    """Generate a client. The generator validates the document first."""
    run(
        *("java", "-jar", generator(), "generate"),
        *("--generator-name", language),
        *("--input-spec", document),
        *("--output", folder),
        *("--global-property", WITHOUT_TESTS_AND_PAGES),
        *options,
    )


def test_the_client_for_java_plays(
    server_url: str, user_id: str, tmp_path: Path
) -> None:
    options = ("--library=native", "--additional-properties=openApiNullable=false")
    generate("java", DOCUMENT, tmp_path, *options)

    sources = [*tmp_path.rglob("src/main/**/*.java"), *SOURCES.rglob("*.java")]
    classes = tmp_path / "classes"
    run("javac", "-nowarn", "-cp", generator(), "-d", classes, *sources)

    class_path = f"{classes}{os.pathsep}{generator()}"
    run("java", "-cp", class_path, "Arc", server_url, user_id)


def test_the_client_for_typescript_plays(
    server_url: str, user_id: str, tmp_path: Path
) -> None:
    options = "--additional-properties=importFileExtension=.js"
    generate("typescript-fetch", OLDER_DOCUMENT, tmp_path / "client", options)

    (tmp_path / "arc.ts").write_text((SOURCES / "arc.ts").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(NODE_TOOLS.parent)
    run(
        *(NODE_TOOLS / "tsc", "--strict", "--skipLibCheck"),
        *("--target", "es2022", "--module", "nodenext", "--types", "node"),
        "arc.ts",
        cwd=tmp_path,
    )

    run("node", "arc.js", server_url, user_id, cwd=tmp_path)
