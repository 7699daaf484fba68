"""Credentials that a player sends in its URL: a ticket or bearer token, or a user."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TOKEN_NAMES = frozenset({"ticket", "token", "access_token"})
USER_NAME = "user"
DEVICE_NAMES = {
    "deviceId": re.compile(r"[A-Za-z0-9._~:@|-]{1,128}"),
    "deviceType": re.compile(r"[\w -]{1,32}"),
    "deviceName": re.compile(r"[\w .,()-]{1,64}"),
}
TOKEN = re.compile(r"[A-Za-z0-9._-]{1,8192}", re.ASCII)
USER = re.compile(r'(?!\.\.?$)[ -"$&-.0->@-\[\]-~]{1,255}')
"""User ids in a path of the limiter."""


class InvalidCredential(Exception):
    """No credential, more than one, or text that is none. Contains no secret."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A viewer's token, or a user whom the media server has authenticated."""

    token: str | None = None
    user_id: str | None = None

    @property
    def fingerprint(self) -> str:
        """A hash that recognises the credential without containing it."""
        text = f"{self.user_id or ''}\n{self.token or ''}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def tokens_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return every token in the fields of a URL."""
    return [value for name, value in pairs if name in TOKEN_NAMES and value]


def users_of(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return every user in the fields of a URL."""
    return [value for name, value in pairs if name == USER_NAME and value]


def device_of(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Return the fields of a URL that describe the device. Invalid ones are ignored."""
    device = {}
    for name, value in pairs:
        form = DEVICE_NAMES.get(name)
        if form and form.fullmatch(value):
            device[name] = value
    return device


def select(tokens: Iterable[str], users: Iterable[str]) -> Credential:
    """Return the only credential among those that a player sent.

    The same token in two places is one token. A token takes no user with it: the
    token names its user.

    Raises:
        InvalidCredential
    """
    different_tokens, different_users = set(tokens), set(users)
    if len(different_tokens) > 1:
        raise InvalidCredential("two tokens")
    if len(different_users) > 1:
        raise InvalidCredential("two users")

    if different_tokens:
        (token,) = different_tokens
        if not TOKEN.fullmatch(token):
            raise InvalidCredential("the token has other characters than a token")
        return Credential(token=token)

    if different_users:
        (user,) = different_users
        if not USER.fullmatch(user):
            raise InvalidCredential("the user has other characters than a user id")
        return Credential(user_id=user)
    raise InvalidCredential("no token")
