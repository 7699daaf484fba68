"""The base of the app's views.

It declares who may call, and in which form, so that REST framework's defaults in
another project (which admit every caller) do not apply to the API.
"""

from typing import Any, override

from django.utils.module_loading import import_string
from rest_framework.renderers import BaseRenderer
from rest_framework.views import APIView

from streams.conf import settings
from streams.negotiation import JSONOrPage
from streams.parsers import StrictJSONParser
from streams.permissions import MayUseStreams
from streams.problems import respond
from streams.renderers import JSONRenderer


def renderers() -> list[type[BaseRenderer]]:
    """Return the forms of answers: JSON, and pages if they are turned on."""
    if not settings.BROWSABLE_API:
        return [JSONRenderer]

    from streams.browsable.renderers import PageRenderer

    return [JSONRenderer, PageRenderer]


class StreamsAPIView(APIView):
    """A view with the app's authentication, permissions and errors."""

    authentication_classes = [  # noqa: RUF012
        import_string(path) for path in settings.AUTHENTICATION_CLASSES
    ]
    permission_classes = [MayUseStreams]  # noqa: RUF012
    parser_classes = [StrictJSONParser]  # noqa: RUF012
    renderer_classes = renderers()
    content_negotiation_class = JSONOrPage

    @override
    def get_exception_handler(self) -> Any:
        return respond
