"""Who may call."""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from django.conf import settings
from rest_framework.permissions import BasePermission

if TYPE_CHECKING:  # rest_framework.views imports this module, by its name in the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


class OpenInLocalDevelopment(BasePermission):
    """Everyone in local development, no one elsewhere."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(settings.OPEN_ACCESS)
