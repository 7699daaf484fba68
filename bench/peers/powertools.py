"""Powertools for AWS Lambda's resolver, with boto3."""

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from bench.peers import bare

app = APIGatewayRestResolver()


def respond(status: int, body: dict[str, Any]) -> Response[Any]:
    """Return a response with a JSON body."""
    return Response(
        status_code=status,
        content_type="application/json",
        body=json.dumps(body),
    )


@app.post("/users/<user_id>/streams")
def start(user_id: str) -> Response[Any]:
    """Answer a start."""
    body = app.current_event.json_body
    return respond(*bare.start(user_id, body["streamId"]))


@app.post("/users/<user_id>/streams/<id>/heartbeat")
def renew(user_id: str, id: str) -> Response[Any]:
    """Answer a heartbeat."""
    return respond(*bare.renew(user_id, id))


@app.post("/users/<user_id>/streams/<id>/stop")
def stop(user_id: str, id: str) -> Response[Any]:
    """Answer a stop."""
    return respond(*bare.stop(user_id, id))


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Resolve an event."""
    return app.resolve(event, context)  # type: ignore[arg-type]
