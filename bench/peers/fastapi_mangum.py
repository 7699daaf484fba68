"""FastAPI behind Mangum, with boto3."""

from typing import Any

from fastapi import FastAPI, Response
from mangum import Mangum
from pydantic import BaseModel

from bench.peers import bare

app = FastAPI()


class Start(BaseModel):
    """Body of a start."""

    streamId: str


@app.post("/users/{user_id}/streams")
def start(user_id: str, body: Start, response: Response) -> dict[str, Any]:
    """Answer a start."""
    response.status_code, answer = bare.start(user_id, body.streamId)
    return answer


@app.post("/users/{user_id}/streams/{id}/heartbeat")
def renew(user_id: str, id: str, response: Response) -> dict[str, Any]:
    """Answer a heartbeat."""
    response.status_code, answer = bare.renew(user_id, id)
    return answer


@app.post("/users/{user_id}/streams/{id}/stop")
def stop(user_id: str, id: str) -> Response:
    """Answer a stop."""
    status, _ = bare.stop(user_id, id)
    return Response(status_code=status)


lambda_handler = Mangum(app, lifespan="off")
