"""Content types, character sets, encodings and accepted media types."""

import pytest

from tests.http.requests_by_hand import JSON, assert_problem
from tests.viewer import Viewer


@pytest.mark.parametrize(
    "type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"],
)
def test_an_unsupported_content_type_is_rejected(viewer: Viewer, type: str) -> None:
    response = viewer.api.post(
        viewer.url, content=b'{"streamId":"456"}', headers={"Content-Type": type}
    )
    assert_problem(response, 415, "unsupported-media-type")


UNACCEPTABLE = [
    "image/png",
    "application/xml",
    "text/plain, text/csv",
    "application/json;q=0",
    "text/html;q=0, image/*;q=0",
]


PREFERS_JSON = [
    *(
        "application/json",
        "*/*",
        "application/*",
        "text/*;q=0.1",
        "application/problem+json",
        "application/problem+xml, */*",
    ),
    *(
        "",
        "garbage",
        "*",
        "text/html/x",
        ";;;",
        ",",
        "application/json; charset=utf-8",
        "application/vnd.api+json",
    ),
    *(
        "application/json, text/plain, */*",
        "application/json, text/html",
        "*/*, text/html",
        "image/png, */*;q=0.1",
    ),
    *(
        "text/html;q=0.5, application/json",
        "text/html;q=0.1, */*;q=0.2",
        "text/html;q=0, */*",
        "APPLICATION/JSON",
    ),
    *(
        "text/html;q=.4,application/json;q=.5",
        "application/problem+json;q=0.3, text/html;q=0.2",
        "a/b," * 300 + "text/html",
    ),
]


PREFERS_A_PAGE = [
    "text/html",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "text/html;q=0.9, application/json;q=0.8",
    "application/json;q=0.8, text/html ; q=0.9",
    "Text/HTML; charset=utf-8, */*;q=0.1",
]


@pytest.mark.parametrize("accept", UNACCEPTABLE)
def test_an_unacceptable_media_type_is_rejected(viewer: Viewer, accept: str) -> None:
    assert_problem(
        viewer.api.get(viewer.url, headers={"Accept": accept}), 406, "not-acceptable"
    )


@pytest.mark.parametrize("accept", PREFERS_JSON, ids=lambda accept: repr(accept)[:60])
def test_the_answer_is_json_unless_a_page_is_preferred(
    viewer: Viewer, accept: str
) -> None:
    answer = viewer.api.get(viewer.url, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("accept", PREFERS_A_PAGE)
def test_the_answer_is_a_page_if_html_is_preferred(viewer: Viewer, accept: str) -> None:
    answer = viewer.api.get(viewer.url, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


SPELLINGS_OF_UTF_8 = [
    *(
        "application/json",
        "application/json;",
        "application/json;charset=utf-8",
        "application/json; charset=UTF-8;",
    ),
    *(
        'application/json ; charset="utf-8"',
        "application/json; charset = utf8",
        "application/json; Charset='Utf-8'",
    ),
    *(
        "application/json; odata=verbose; charset=utf-8",
        "application/json; charset=utf-8; charset=UTF8",
    ),
]


OTHER_CHARSETS = [
    *(
        "zlib_codec",
        "idna",
        "uu",
        "undefined",
        "utf-16",
        "latin-1",
        "us-ascii",
        "punycode",
        "nonsense",
        "é",
        "utf-8x",
    ),
    *(
        "x" * 200,
        "x" * 6000,
        '"utf-16"',
        "utf-8; charset=utf-16",
        "utf-16; charset=utf-8",
    ),
]


@pytest.mark.parametrize("content_type", SPELLINGS_OF_UTF_8)
def test_every_spelling_of_utf_8_is_accepted(viewer: Viewer, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert (
        viewer.api.post(
            viewer.url, content=b'{"streamId":"456"}', headers=headers
        ).status_code
        == 201
    )


@pytest.mark.parametrize(
    "charset", OTHER_CHARSETS, ids=lambda charset: repr(charset)[:40]
)
@pytest.mark.parametrize(
    "parameter",
    ["charset=", "charset*=utf-8''", "a=b; CHARSET = ", "charset=;charset="],
)
def test_another_charset_is_rejected_and_ignored_without_a_body(
    viewer: Viewer, charset: str, parameter: str
) -> None:
    headers = {b"Content-Type": f"application/json; {parameter}{charset}".encode()}

    assert_problem(
        viewer.api.post(viewer.url, content=b'{"streamId":"456"}', headers=headers),
        415,
        "unsupported-media-type",
    )
    assert viewer.api.get(f"{viewer.url}?a=1", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "encoding", ["gzip", "br", "deflate", "GZIP", "identity, gzip", "x"]
)
def test_an_encoded_body_is_rejected(viewer: Viewer, encoding: str) -> None:
    headers = JSON | {"Content-Encoding": encoding}
    answer = viewer.api.post(viewer.url, content=b'{"streamId":"456"}', headers=headers)

    assert_problem(answer, 415, "unsupported-media-type")
    assert "UTF-8" in answer.json()["detail"]
    assert viewer.api.get(viewer.url, headers=headers).status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_with_the_identity_encoding_is_read(
    viewer: Viewer, encoding: str
) -> None:
    headers = JSON | {"Content-Encoding": encoding}
    assert (
        viewer.api.post(
            viewer.url, content=b'{"streamId":"456"}', headers=headers
        ).status_code
        == 201
    )
