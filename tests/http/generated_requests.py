"""Strategies that generate arbitrary requests."""

import json

from hypothesis import strategies as st

WORDS = [
    "users",
    "streams",
    "limit",
    "heartbeat",
    "stop",
    "me",
    "healthz",
    "readyz",
    "docs",
    "console",
    "static",
    "u",
    "tv",
]
WORDS += [
    "openapi.json",
    "..",
    ".",
    "",
    "\x00",
    "\n",
    "é",
    "\xff",
    "日",
    "a b",
    "%2F",
    "%",
    "test",
    "v1",
    "x" * 255,
    "\ud7ff",
]


METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "get",
    "",
    "X" * 300,
    "é",
]


NAMES = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
]
NAMES += [
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "X-API-Key",
]
NAMES += [
    "Access-Control-Request-Method",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
]


VALUES = [
    "",
    " ",
    "\x00",
    "é",
    "日",
    "*",
    "*/*",
    "0",
    "-1",
    "9" * 5000,
    "a" * 8000,
    "a," * 4000,
    ";" * 8000,
    "application/json",
]
VALUES += [
    "application/json; charset=zlib_codec",
    "application/json; charset*=idna''x",
    "application/json; charset=undefined",
]
VALUES += [
    "application/json;" + "a=b;" * 500,
    "text/html",
    "text/html;q=*",
    "text/html; q*=uu''1",
    "Bearer a.b.c",
    "Bearer ",
]
VALUES += [
    "gzip",
    "identity",
    "http://[",
    "null",
    "localhost",
    "LOCALHOST:80",
    "bytes=0-0,1-1,-",
    "Thu, 99 Foo 1970",
    '"',
    "=?x?q?y?=",
]


QUERIES = [
    "",
    "a",
    "a=1&a=2",
    "%",
    "%ff",
    "=&" * 3000,
    "a" * 8000,
    "dryRun=true",
    "epoch=x",
    "epoch=" + "9" * 5000,
    "except=..",
    "\x00",
]


BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b'{"streamId":"456"}',
    b'{"token":"a:b"}',
    b'{"limit":3}',
    b"\xff",
    b"[" * 16_000,
    b'{"a":' * 3000,
]
BODIES += [
    b'{"streamId":"4","replace":[' + b"1," * 8000 + b"1]}",
    b'{"streamId":"4","replace":[' + b"{}," * 5000 + b"{}]}",
]
BODIES += [
    b"{" + b",".join(b'"%d":1' % n for n in range(1700)) + b"}",
    b'{"limit":1e999}',
    b"9" * 16_000,
    b'"' + b"\\u0000" * 2600 + b'"',
]
BODIES += [b'{"streamId":"' + b"\xf0\x9f\x98\x80" * 4000 + b'"}', b"x" * 100_000]


values = st.sampled_from(VALUES) | st.text(
    st.characters(max_codepoint=255), max_size=60
)


paths = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=7).map(
    lambda words: "/" + "/".join(words)
)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
)


fields = [
    "streamId",
    "deviceId",
    "deviceName",
    "deviceType",
    "title",
    "metadata",
    "replace",
    "token",
    "state",
    "limit",
    "whenFull",
]


objects = st.dictionaries(st.sampled_from(fields), json_values, max_size=6).map(
    lambda value: json.dumps(value).encode()
)


requests = {
    "method": st.sampled_from(METHODS[:6]) | st.sampled_from(METHODS),
    "path": paths
    | st.sampled_from(
        [
            "/users/u/streams",
            "/users/u/streams/tv",
            "/users/u/limit",
            "/users/u/streams/tv/heartbeat",
        ]
    ),
    "query": st.sampled_from(QUERIES)
    | st.text(st.characters(max_codepoint=255), max_size=40),
    "headers": st.dictionaries(st.sampled_from(NAMES), values, max_size=5),
    "body": st.sampled_from(BODIES) | objects | st.binary(max_size=60),
}
