"""Powertools for AWS Lambda's resolver, with boto3."""

from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from bench.peers import bare

app = APIGatewayRestResolver()


def answered(found: tuple[int, dict[str, Any]]) -> Response[Any]:
    """A status and a body."""
    import json

    return Response(
        status_code=found[0], content_type="application/json", body=json.dumps(found[1])
    )


@app.post("/users/<user_id>/streams")
def start(user_id: str) -> Response[Any]:
    """Start."""
    return answered(bare.start(user_id, app.current_event.json_body["streamId"]))


@app.post("/users/<user_id>/streams/<id>/heartbeat")
def renew(user_id: str, id: str) -> Response[Any]:
    """Renew."""
    return answered(bare.renew(user_id, id))


@app.post("/users/<user_id>/streams/<id>/stop")
def stop(user_id: str, id: str) -> Response[Any]:
    """Stop."""
    return answered(bare.stop(user_id, id))


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Resolve."""
    return app.resolve(event, context)  # type: ignore[arg-type]
