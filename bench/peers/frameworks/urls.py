"""The bare handler's three verbs as views."""

from types import SimpleNamespace
from typing import Any

from django.urls import path
from pynamodb.exceptions import VerboseClientError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.peers import bare
from streams.models import UserStreams

bare.dynamodb = SimpleNamespace(
    update_item=lambda **arguments: UserStreams.call("UpdateItem", arguments),
    exceptions=SimpleNamespace(ConditionalCheckFailedException=VerboseClientError),
)


class BareVerb(APIView):
    """A view that starts, renews or stops."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request, **parameters: Any) -> Response:
        """Return the bare handler's answer."""
        body: Any = request.data  # every measured request has an object
        parts = request.path_info.strip("/").split("/")
        status, answer = bare.route(parts, body)
        return Response(answer, status=status)


urlpatterns = [
    path("users/<user_id>/streams", BareVerb.as_view()),
    path("users/<user_id>/streams/<id>/heartbeat", BareVerb.as_view()),
    path("users/<user_id>/streams/<id>/stop", BareVerb.as_view()),
]
handler404 = "streams.views.unknown_url"
