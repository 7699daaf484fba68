"""Which renderer answers."""

from typing import Any, override

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class PlayersFirst(DefaultContentNegotiation):
    """The framework's negotiation, but what players send (`application/json`, `*/*` or nothing) is not taken apart to
    find that it means the first renderer."""

    @override
    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        if request.META.get("HTTP_ACCEPT", "*/*") in ("application/json", "*/*"):
            return renderers[0], renderers[0].media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
