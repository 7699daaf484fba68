"""`make rehearse`: a whole life of a deployment on this machine, with the real `zappa`, against an emulated AWS.

Deploy, provision, smoke test through API Gateway, update, roll back, undeploy; nothing is left running. The settings
are those of the stage `test`, with the emulator's addresses."""

import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx

from deploy.preflight import stage_of
from deploy.stage import PROJECT
from streams_project.local_dynamodb import engine

STAGE, REGION, ACCOUNT = "test", "eu-west-1", "000000000000"
SERVICES = (
    "apigateway", "cloudformation", "cloudwatch", "dynamodb", "events", "iam", "lambda", "logs", "s3", "sts", "wafv2",
)  # fmt: skip


@contextmanager
def emulated_aws(*services: str) -> Iterator[str]:
    """An AWS on loopback, by its URL, that keeps nothing. It ends with its starter, however that ends."""
    with (
        tempfile.TemporaryDirectory(prefix="aws-") as folder,
        engine(Path(folder), keep=False, services=services or SERVICES) as endpoint,
    ):
        yield endpoint


@contextmanager
def whole_function_names(aws: str) -> Iterator[str]:
    """The emulated AWS, by another URL, that knows a function by `function:NAME:VERSION` too, as Lambda does and as
    `zappa rollback` asks for it; the emulator knows names and versions apart only."""

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            path = re.sub(
                r"/functions/function(?::|%3A)([\w-]+)(?::|%3A)(\d+)", r"/functions/\1?Qualifier=\2", self.path
            )
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.request(self.command, aws + path, content=body, headers=headers, timeout=120)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "content-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = forward

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Rehearsal:
    """The stage `test`, at an emulated AWS."""

    aws: str
    lambda_: str
    folder: Path
    api_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def __post_init__(self) -> None:
        stage = {name: value for name, value in stage_of(STAGE).items() if name not in ("extends", "architecture")}
        stage |= {
            "s3_bucket": "stream-limits-rehearsal",
            "touch": False,  # the address Zappa would touch is Amazon's
            "aws_endpoint_urls": dict.fromkeys(
                [*SERVICES, "application-autoscaling", "cognito-idp", "elbv2", "route53", "acm"], self.aws
            )
            | {"lambda": self.lambda_},
        }
        stage["environment_variables"] |= {"DYNAMODB_ENDPOINT": self.aws, "ALLOWED_HOSTS": "127.0.0.1,.amazonaws.com"}
        self.settings = self.folder / "zappa_settings.json"
        self.settings.write_text(json.dumps({STAGE: stage}))
        digest = hashlib.sha256(self.api_key.encode()).hexdigest()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "VIRTUAL_ENV": sys.prefix,
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_DEFAULT_REGION": REGION,
            "API_KEYS": f"rehearsal:{digest}:streams:operate streams:admin",
            "LEASE_TOKEN_KEYS": secrets.token_urlsafe(48),
        }

    def zappa(self, *words: str) -> str:
        """Run a command of Zappa's, show it, and return what it said."""
        return self.run("zappa", *words, "-s", str(self.settings))

    def run(self, *command: str, **more: str) -> str:
        """Run a command at the emulated AWS; raise with all it said when it fails."""
        print("$", Path(command[0]).name, *command[1:3], end=" ", flush=True)  # noqa: T201
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=PROJECT, env=self.environment | more, capture_output=True, text=True, check=False
        )
        print(f"({time.monotonic() - began:.0f} s)", flush=True)  # noqa: T201
        said = done.stdout + done.stderr
        if done.returncode or "Traceback" in said:
            raise RuntimeError(f"{' '.join(command)} failed:\n{said}")
        return said

    def client(self, service: str) -> Any:
        """A client of an emulated service."""
        return boto3.client(
            service,
            endpoint_url=self.aws,
            region_name=REGION,
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
        )

    def deploy(self) -> None:
        """The first time, with its table."""
        self.zappa("deploy", STAGE)
        self.provision()

    def provision(self, *options: str) -> str:
        """The table, and the API's throttling."""
        command = [sys.executable, "manage.py", "provision", "--stage", STAGE]
        return self.run(*command, "--consumer", "billing:50:100", "--viewer-rate", "120", *options)

    def api(self) -> httpx.Client:
        """A client of the deployed API, through API Gateway, as a back end."""
        (api,) = self.client("apigateway").get_rest_apis()["items"]
        url = f"{self.aws}/restapis/{api['id']}/{STAGE}/_user_request_"
        return httpx.Client(base_url=url, headers={"X-API-Key": self.api_key}, timeout=60)

    def policies(self) -> list[dict[str, Any]]:
        """Every policy of the role the function runs as."""
        iam = self.client("iam")
        (role,) = iam.list_roles()["Roles"]
        names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
        return [iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"] for name in names]


def smoke_test(api: httpx.Client) -> None:
    """Three streams are admitted, the fourth denied; one beats, one stops; a person sees a styled page."""
    user = f"/users/smoke-{secrets.token_hex(4)}/streams"
    started = [api.post(user, json={"streamId": "456"}) for _ in range(4)]
    _expect([response.status_code for response in started], [201, 201, 201, 409])
    stream = started[0].json()
    _expect(api.post(f"{user}/{stream['id']}/heartbeat", json={"token": stream["token"]}).status_code, 200)
    _expect(api.delete(f"{user}/{stream['id']}").status_code, 204)
    _expect(api.get(user).json()["active"], 2)
    page = api.get(user, headers={"Accept": "text/html"})
    _expect(page.headers["Content-Type"], "text/html; charset=utf-8")
    for style in re.findall(r'href="[^"]*?(/static/[^"]+\.css)"', page.text):
        _expect(api.get(style).headers["Content-Type"], 'text/css; charset="utf-8"')
    print("  smoke test: three admitted, one denied, a heartbeat, a stop, a page with its styles")  # noqa: T201


def _expect(found: object, expected: object) -> None:
    if found != expected:
        raise RuntimeError(f"Expected {expected!r}, got {found!r}.")


def main() -> None:
    """Rehearse it all."""
    began = time.monotonic()
    with emulated_aws() as aws, whole_function_names(aws) as lambda_, tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(aws, lambda_, Path(folder))
        rehearsal.deploy()
        with rehearsal.api() as api:
            smoke_test(api)
            rehearsal.zappa("update", STAGE)
            smoke_test(api)
            rehearsal.zappa("rollback", STAGE, "-n", "1")
            smoke_test(api)
        rehearsal.zappa("undeploy", STAGE, "-y")
        _expect(rehearsal.client("apigateway").get_rest_apis()["items"], [])
        _expect(rehearsal.client("lambda").list_functions()["Functions"], [])
    print(f"Rehearsed in {time.monotonic() - began:.0f} s; nothing is left running.")  # noqa: T201


if __name__ == "__main__":
    main()
