"""The fields of requests: ids, text, numbers, and the text that players describe
themselves with.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, ClassVar, TypeGuard, override

from django.utils.translation import gettext_lazy
from rest_framework import serializers
from rest_framework.validators import ProhibitSurrogateCharactersValidator

from streams.conf import settings
from streams.printable import CONTROL

ID = re.compile(r"(?!\.\.?$)[A-Za-z0-9._~:@|-]{1,128}")
"""Ids of streams and devices.

`.` and `..` are excluded, because clients and proxies resolve them in a path
(RFC 3986).
"""
ID_ERROR = (
    "Must have 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ | - "
    "and must not be . or .."
)
NO_ID = re.compile(
    r"(?=.{0,128}$)(?: *"
    r"|[Nn]ull|[Uu]ndefined|[Nn]one|[Nn]il|[Nn]a[Nn]"
    r"|(?:[._~:|-]*0){2,}[._~:|-]*)"
)
"""Texts that stand for an id that is not known: blanks, the words that languages print
for it, and only zeros, such as 00000000-0000-0000-0000-000000000000. Devices that send
them would share a slot.
"""
NO_ID_ERROR = "Must identify one player. null, undefined and zeros do not."
USER_ID = re.compile(r'(?!\.\.?$)[ -"$&-.0->@-\[\]-~]{1,255}')
"""User ids in a path: printable ASCII except / \\ ? # %."""
USER_ID_ERROR = (
    "Must have 1 to 255 printable ASCII characters except / \\ ? # % "
    "and must not be . or .. A viewer with another id can call /me."
)
MAX_KEY_BYTES = 2048
"""Longest key in DynamoDB."""
MAX_ERRORS = 10
"""Number of errors of a kind in an answer, which must not grow with the request."""

METADATA_KEY = re.compile(r"[A-Za-z0-9_.-]{1,32}")
MAX_DEVICE_TYPE_BYTES = 32
MAX_METADATA_KEYS = 8
MAX_METADATA_BYTES = 256
MIN_METADATA_NUMBER = 1e-100
"""DynamoDB rejects numbers closer to 0 than 1E-130."""
MAX_METADATA_NUMBER = 10**15
"""Every JSON parser reads numbers up to this size without a loss."""

UNREADABLE_CATEGORIES = ("Cc", "Cf", "Cs")
"""Unicode categories of control characters, format characters and surrogates."""


def is_key(user_id: str) -> bool:
    """Return whether DynamoDB accepts the text as a key."""
    try:
        size = len(user_id.encode())
    except UnicodeEncodeError:  # an unpaired surrogate
        return False
    return 1 <= size <= MAX_KEY_BYTES


def legible(text: str, *, max_bytes: int) -> str:
    """Return the text as it is stored and shown.

    Control characters become spaces. The text is truncated to `max_bytes` of UTF-8
    without splitting a character.
    """
    characters = [
        " " if unicodedata.category(character) in UNREADABLE_CATEGORIES else character
        for character in text[:max_bytes]
    ]
    encoded = "".join(characters).encode()
    return encoded[:max_bytes].decode(errors="ignore")


class TextField(serializers.CharField):
    """A text field that converts no numbers, keeps spaces and rejects control
    characters.
    """

    default_error_messages: ClassVar = {
        "control": "Must not contain control characters.",
        "bytes": gettext_lazy("Must have at most {max_bytes} bytes of UTF-8."),
    }

    def __init__(self, *, max_bytes: int | None = None, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.max_bytes = max_bytes
        # CONTROL finds surrogates. This validator examines each character in Python,
        # which takes 2 % of a heartbeat.
        # Not by equality, which would translate messages while apps are loaded.
        self.validators = [
            validator
            for validator in self.validators
            if not isinstance(validator, ProhibitSurrogateCharactersValidator)
        ]

    @override
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")

        if CONTROL.search(data):
            self.fail("control")

        if self.max_bytes is not None and len(data.encode()) > self.max_bytes:
            self.fail("bytes", max_bytes=self.max_bytes)

        return data


class IdField(TextField):
    """The id of a stream or a device."""

    default_error_messages: ClassVar = {"id": ID_ERROR}

    @override
    def to_internal_value(self, data: Any) -> str:
        id = super().to_internal_value(data)
        if not ID.fullmatch(id):
            self.fail("id")

        return id


MAX_EPOCH = 2**53 - 1
"""The largest integer that every JavaScript client reads exactly."""


def is_whole(value: Any) -> TypeGuard[int | float]:
    """Return whether a value of JSON is an integer: 3 or 3.0, but not "3" or true."""
    return type(value) is int or (type(value) is float and value.is_integer())


class OptionalIdField(IdField):
    """An id that may be missing. A text that stands for no id is "not given"."""

    @override
    def run_validation(self, data: Any = serializers.empty) -> str | None:
        if isinstance(data, str) and NO_ID.fullmatch(data):
            return None

        id: str | None = super().run_validation(data)
        return id


class ContentIdField(TextField):
    """The id of content: text, or an integer, which stands for its digits."""

    @override
    def to_internal_value(self, data: Any) -> str:
        # A float is not exact: 9.99… of many digits is 10.0.
        if type(data) is int:
            data = str(data)

        return super().to_internal_value(data)


class WholeField(serializers.IntegerField):
    """An integer: 3 or 3.0, which JSON does not distinguish, but not "3" or true."""

    @override
    def to_internal_value(self, data: Any) -> int:
        if not is_whole(data):
            self.fail("invalid")

        return int(data)


class TrueOrFalseField(serializers.BooleanField):
    """A boolean of JSON: true or false, but not "true" or 1."""

    @override
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)

        return data


class CosmeticField(serializers.Field[str | None, Any, str | None, Any]):
    """A descriptive text field that never causes an error.

    Control characters become spaces, long text is truncated, and a value of another
    type is ignored.
    """

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.max_bytes = max_bytes

    @override
    def to_internal_value(self, data: Any) -> str | None:
        if not isinstance(data, str):
            return None

        text = legible(data, max_bytes=self.max_bytes)
        return text if text.strip() else None


class MetadataField(serializers.Field[Any, Any, Any, Any]):
    """Custom data of a stream: a few keys with text, numbers or booleans.

    Entries that do not fit are ignored.
    """

    @override
    def to_internal_value(self, data: Any) -> dict[str, str | int | float | bool]:
        if not isinstance(data, dict):
            return {}

        kept: dict[str, str | int | float | bool] = {}
        remaining_bytes = MAX_METADATA_BYTES
        for name, sent in list(data.items())[:MAX_METADATA_KEYS]:
            value = _metadata_value(name, sent, max_bytes=remaining_bytes - len(name))
            if value is None:
                continue

            remaining_bytes -= len(name) + len(str(value).encode())
            if remaining_bytes < 0:
                break
            kept[name] = value

        return kept


def _metadata_value(
    name: str, sent: Any, *, max_bytes: int
) -> str | int | float | bool | None:
    """Return the value to store, or None if the entry is ignored."""
    if not METADATA_KEY.fullmatch(name):
        return None

    if isinstance(sent, str):
        return legible(sent, max_bytes=max(0, max_bytes))

    if isinstance(sent, int | float) and _is_storable(sent):
        number: int | float = sent
        return number

    return None


def _is_storable(number: float) -> bool:
    """Return whether DynamoDB and every JSON parser keep a number as it is."""
    size = abs(number)
    return size == 0 or MIN_METADATA_NUMBER <= size <= MAX_METADATA_NUMBER


class AttributesField(serializers.Field[Any, Any, Any, Any]):
    """Attributes of a stream that a ticket fixes: `deviceType`, `deviceId`, and
    `metadata.` with a key.
    """

    default_error_messages: ClassVar = {
        "object": "Must be an object.",
        "name": "The attributes are deviceType, deviceId and metadata.<key>.",
        "value": "Must be text or, in metadata, a number or a boolean.",
    }

    @override
    def to_internal_value(self, data: Any) -> dict[str, str | int | float | bool]:
        if not isinstance(data, dict):
            self.fail("object")

        fixed: dict[str, Any] = {
            name: value for name, value in data.items() if value is not None
        }
        errors: dict[str, list[str]] = {}
        for name, value in fixed.items():
            error = self._error_of(name, value)
            if error is not None:
                errors[name] = [error]

        if errors:
            details: Any = dict(list(errors.items())[:MAX_ERRORS])
            raise serializers.ValidationError(details)
        return fixed

    def _error_of(self, name: str, value: Any) -> str | None:
        if name == "deviceId":
            return _device_id_error(value)

        if name == "deviceType":
            kept: Any = _device_type(value)
        else:
            prefix, _, key = name.partition(".")
            if prefix != "metadata" or not METADATA_KEY.fullmatch(key):
                return str(self.error_messages["name"])
            kept = _metadata_value(key, value, max_bytes=MAX_METADATA_BYTES - len(key))
        return None if kept == value else str(self.error_messages["value"])


def _device_id_error(value: Any) -> str | None:
    if not isinstance(value, str) or not ID.fullmatch(value):
        return ID_ERROR
    return NO_ID_ERROR if NO_ID.fullmatch(value) else None


def _device_type(value: Any) -> str | None:
    """Return the device type as it is stored, or None if it is not text."""
    if not isinstance(value, str) or not value.strip():
        return None
    return legible(value, max_bytes=MAX_DEVICE_TYPE_BYTES)


def start_fields(
    attributes: Mapping[str, Any], metadata: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the fields of a start that a ticket's attributes replace.

    `metadata` is the player's: as much of it is kept as fits.
    """
    names = {"deviceId": "device_id", "deviceType": "device_type"}
    fields = {names[name]: value for name, value in attributes.items() if name in names}
    fixed = {
        name.removeprefix("metadata."): value
        for name, value in attributes.items()
        if name not in names
    }
    if fixed:
        fields["metadata"] = MetadataField().to_internal_value(
            {**fixed, **(metadata or {}), **fixed}
        )
    return fields


class ReplaceField(serializers.Field[Any, Any, Any, Any]):
    """Streams to end: ids, or `{"id", "epoch"}` for one playback.

    The error names the first invalid entries.
    """

    default_error_messages: ClassVar = {
        "list": "Must be a list.",
        "length": f"Must contain at most {settings.MAX_LIMIT} streams.",
        "entry": 'Must be an id, or an object with "id" and an integer "epoch".',
    }

    @override
    def to_internal_value(self, data: Any) -> dict[str, int | None]:
        if not isinstance(data, list):
            self.fail("list")

        if len(data) > settings.MAX_LIMIT:
            self.fail("length")

        epochs: dict[str, int | None] = {}
        errors: dict[int, list[str]] = {}
        for index, entry in enumerate(data):
            try:
                id, epoch = self._playback(entry)
            except ValueError as exc:
                errors[index] = [str(exc)]
                if len(errors) == MAX_ERRORS:
                    break
            else:
                epochs[id] = epoch

        if errors:
            details: Any = errors
            raise serializers.ValidationError(details)
        return epochs

    def _playback(self, entry: Any) -> tuple[str, int | None]:
        """Return the id and the epoch of an entry.

        Raises:
            ValueError: if it is neither an id nor a playback
        """
        id, epoch = entry, None
        if isinstance(entry, dict):
            id, epoch = entry.get("id"), entry.get("epoch")

        is_epoch = is_whole(epoch) and 0 <= epoch <= MAX_EPOCH
        if not isinstance(id, str) or not (epoch is None or is_epoch):
            raise ValueError(self.error_messages["entry"])

        if not ID.fullmatch(id):
            raise ValueError(ID_ERROR)
        return id, None if epoch is None else int(epoch)
