"""Permissions. With open access (local development) every caller has all of them.

| caller | streams of the user | of another user | read a limit | set a limit |
|---|---|---|---|---|
| viewer | yes | no | their own | no |
| `streams:operate` | yes | yes | yes | no |
| `streams:admin` | no | no | yes | yes |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, override

from rest_framework.permissions import SAFE_METHODS, BasePermission

from streams.authentication import ADMIN, OPERATE, Caller
from streams.conf import settings

if TYPE_CHECKING:  # rest_framework.views imports this module, by a setting
    from rest_framework.request import Request
    from rest_framework.views import APIView


class MayUseStreams(BasePermission):
    """Permission of operators, and of the viewer who is the user."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.user
        if not isinstance(caller, Caller):
            return bool(settings.OPEN_ACCESS)

        path_user_id: str | None = getattr(view, "user_id", None)
        is_own = caller.user_id is not None and caller.user_id == path_user_id
        return OPERATE in caller.scopes or is_own


class IsAdministrator(BasePermission):
    """Permission of administrators."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.user
        if not isinstance(caller, Caller):
            return bool(settings.OPEN_ACCESS)

        return ADMIN in caller.scopes


class MaySetLimits(MayUseStreams):
    """Permission of administrators. Callers that may use the streams may read."""

    @override
    def has_permission(self, request: Request, view: APIView) -> bool:
        is_read = request.method in SAFE_METHODS
        if is_read and super().has_permission(request, view):
            return True

        return IsAdministrator().has_permission(request, view)
