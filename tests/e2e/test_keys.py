"""`manage.py keys`: what an operator does with the keys of edge tokens."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from streams.edge_keys import edge_keys


def said(*words: str) -> str:
    out = StringIO()
    call_command("keys", *words, stdout=out)
    return out.getvalue().strip()


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("es256", "ES256"), ("eddsa", "EdDSA"), ("hs256", "HS256")]
)
def test_a_new_key_is_one_that_the_service_takes(kind: str, algorithm: str) -> None:
    first, second = (edge_keys([said("new", kind)])[0] for _ in range(2))
    assert first.algorithm == algorithm
    assert first.kid != second.kid


def test_the_keys_are_listed_by_their_kid_and_none_of_them_is_shown(
    settings: Any,
) -> None:
    texts = [said("new", "es256"), said("new", "hs256")]
    settings.EDGE_TOKEN_KEYS = keys = edge_keys(texts)
    shown = said("list")
    assert [line.split()[:3] for line in shown.splitlines()] == [
        [keys[0].kid, "ES256", "signs"],
        [keys[1].kid, "HS256", "verifies"],
    ]
    assert not any(text[30:60] in shown for text in texts)


def test_a_check_says_that_cloudfront_functions_cannot_check_a_pem_key(
    settings: Any,
) -> None:
    settings.EDGE_TOKEN_ISSUER, settings.EDGE_TOKEN_AUDIENCE = (
        "https://streams.example.com",
        "cdn.example.com",
    )
    settings.EDGE_TOKEN_KEYS = edge_keys([said("new", "es256")])
    assert "verifies" in said("check")
    assert "not CloudFront Functions" in said("check")
    settings.EDGE_TOKEN_KEYS = edge_keys([said("new", "hs256")])
    assert "not CloudFront" not in said("check")


def test_without_keys_there_is_nothing_to_list() -> None:
    with pytest.raises(CommandError, match="EDGE_TOKEN_KEYS"):
        said("list")
