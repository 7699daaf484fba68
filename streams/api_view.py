"""The base of the app's views.

It declares who may call, and in which form, so that REST framework's defaults in
another project (which admit every caller) do not apply to the API.
"""

from collections.abc import Sequence
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

PAGES = "streams.browsable.renderers.PageRenderer"


def renderers() -> list[type[BaseRenderer]]:
    """Return the forms of answers: JSON, and pages if they are turned on."""
    if not settings.BROWSABLE_API:
        return [JSONRenderer]
    return [JSONRenderer, import_string(PAGES)]


class StreamsAPIView(APIView):
    """A view with the app's authentication, permissions and errors."""

    authentication_classes: Sequence[Any] = tuple(
        import_string(path) for path in settings.AUTHENTICATION_CLASSES
    )
    permission_classes: Sequence[Any] = (MayUseStreams,)
    parser_classes: Sequence[Any] = (StrictJSONParser,)
    renderer_classes: Sequence[Any] = renderers()
    content_negotiation_class = JSONOrPage

    @override
    def get_exception_handler(self) -> Any:
        return respond
