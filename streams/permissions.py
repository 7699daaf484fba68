"""Who may do what. Everyone everything where access is open (local development); elsewhere:

| caller | streams of the user | of another user | read a limit | set a limit |
|---|---|---|---|---|
| viewer | yes | no | their own | no |
| `streams:operate` | yes | yes | yes | no |
| `streams:admin` | no | no | yes | yes |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission

from streams.authentication import ADMIN, OPERATE, Caller

if (
    TYPE_CHECKING
):  # rest_framework.views imports this module, by its name in the settings
    from rest_framework.request import Request
    from rest_framework.views import APIView


class MayUseStreams(BasePermission):
    """The user's own viewer, and operators."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.user
        if not isinstance(caller, Caller):
            return bool(settings.OPEN_ACCESS)

        path_user_id: str | None = getattr(view, "user_id", None)
        is_own = caller.user_id is not None and caller.user_id == path_user_id
        return OPERATE in caller.scopes or is_own


class IsAdministrator(BasePermission):
    """Administrators, and everyone where access is open."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.user
        return (
            ADMIN in caller.scopes
            if isinstance(caller, Caller)
            else bool(settings.OPEN_ACCESS)
        )


class MaySetLimits(MayUseStreams):
    """Administrators; whoever may use the user's streams may read."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        may_read = request.method in SAFE_METHODS and super().has_permission(
            request, view
        )
        return may_read or IsAdministrator().has_permission(request, view)
