"""Flask behind Zappa, with boto3."""

from typing import Any

from flask import Flask, request

from bench.peers import bare, zappa_settings_of

app = Flask(__name__)


@app.post("/users/<user_id>/streams")
def start(user_id: str) -> tuple[dict[str, Any], int]:
    """Answer a start."""
    status, answer = bare.start(user_id, request.get_json()["streamId"])
    return answer, status


@app.post("/users/<user_id>/streams/<id>/heartbeat")
def renew(user_id: str, id: str) -> tuple[dict[str, Any], int]:
    """Answer a heartbeat."""
    status, answer = bare.renew(user_id, id)
    return answer, status


@app.post("/users/<user_id>/streams/<id>/stop")
def stop(user_id: str, id: str) -> tuple[str, int]:
    """Answer a stop."""
    return "", bare.stop(user_id, id)[0]


zappa_settings_of.install(APP_MODULE="bench.peers.flask_zappa", APP_FUNCTION="app")
from zappa.handler import lambda_handler  # noqa: E402

__all__ = ["lambda_handler"]
