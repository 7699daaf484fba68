"""The language of a problem's texts: English, or the caller's if there is a catalogue.

`locale/` contains the catalogues of this app. Those of Django and REST framework
translate the messages of fields into more languages.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.utils.translation import (
    get_supported_language_variant,
    gettext,
    override,
)
from django.utils.translation.trans_real import parse_accept_lang_header

ENGLISH: Final = "en"
CATALOGUES: Final = Path(__file__).parent / "locale"
OWN: Final = {ENGLISH, *(folder.name for folder in CATALOGUES.glob("*"))}
"""The languages of this app's texts."""


def preferred(meta: Any) -> str:
    """Return the first language in `Accept-Language` that has a catalogue.

    Without one, and where translation is off, it is English.
    """
    header = meta.get("HTTP_ACCEPT_LANGUAGE", "")
    if not header or not settings.USE_I18N:
        return ENGLISH

    for language, _ in parse_accept_lang_header(header.lower()):
        if language == "*":
            break
        try:
            return get_supported_language_variant(language)
        except LookupError:
            continue
    return ENGLISH


def speaking(language: str) -> AbstractContextManager[None]:
    """Return a context in which texts are translated into a language."""
    return override(language)


def translated(text: object) -> str:
    """Return a text in the active language, or as it is without a translation."""
    as_text = str(text)
    # The entry of the empty text is the header of the catalogue.
    return gettext(as_text) if as_text else as_text


def languages_of(language: str, *, has_fields: bool) -> Iterable[str]:
    """Return the languages of the texts of a problem.

    A language may have a catalogue of the messages of fields only.
    """
    if language.partition("-")[0] in OWN:
        return (language,)
    return (ENGLISH, language) if has_fields else (ENGLISH,)
