"""Bad input to a real gunicorn: each is answered with a JSON error, and the next request is answered, too."""

from contextlib import closing

import pytest

from tests.support import KEY
from tests.web import RANKINGS, assert_error
from webapp import generation
from webapp.errors import SHOWN_CHARACTERS, shown
from webapp.store import connect

PATH = RANKINGS.encode()
BIG = 5 << 20


def request(path=PATH, headers=b"", method=b"GET", version=b"HTTP/1.1", body=b""):
    head = b"Host: localhost\r\nx-api-key: " + KEY.encode() + b"\r\n" + headers
    return method + b" " + path + b" " + version + b"\r\n" + head + b"\r\n" + body


def names(cases):
    return {"argvalues": list(cases.values()), "ids": list(cases)}


PATHS = {
    "quotes": (request(PATH + b"/'\""), 404),
    "SQL": (request(PATH + b"/ttft'%20OR%201=1--"), 404),
    "percent NUL": (request(PATH + b"/%00"), 404),
    "percent newline": (request(PATH + b"/%0d%0aX:1"), 404),
    "percent UTF-8": (request(PATH + b"/%C3%A9%F0%9F%98%80"), 404),
    "percent not UTF-8": (request(PATH + b"/%ff%fe"), 404),
    "percent surrogate": (request(PATH + b"/%ed%a0%80"), 404),
    "half an escape": (request(PATH + b"/%"), 404),
    "raw bytes": (request(PATH + b"/\xff\xfe"), 400),
    "raw UTF-8": (request(PATH + "/é".encode()), 400),
    "4 kB": (request(PATH + b"/" + b"a" * 4000), 404),
    "100 kB": (request(PATH + b"/" + b"a" * 100_000), 414),
    "1 MB": (request(PATH + b"/" + b"a" * 1_000_000), 414),
    "unknown argument": (request(PATH + b"?a=1&a=2"), 422),
    "argument not UTF-8": (request(PATH + b"?%ff=%fe"), 422),
    "raw argument": (request(PATH + b"?\xff"), 400),
    "up and out": (request(b"/docs/../../etc/passwd"), 404),
    "another site": (request(b"http://[/"), 400),
    "asterisk": (request(b"*", method=b"OPTIONS"), 404),
}
HEADERS = {
    "one too long": (request(headers=b"X-A: " + b"a" * 10_000 + b"\r\n"), 431),
    "one of 1 MB": (request(headers=b"X-A: " + b"a" * 1_000_000 + b"\r\n"), 431),
    "too many": (request(headers=b"".join(b"X-%d: a\r\n" % number for number in range(500))), 431),
    "no colon": (request(headers=b"no colon\r\n"), 400),
    "space before the colon": (request(headers=b"X-A : a\r\n"), 400),
    "folded": (request(headers=b"X-A: a\r\n b\r\n"), 400),
    "NUL": (request(headers=b"X-A: a\0b\r\n"), 400),
    "markup": (request(headers=b"<b>&lt;: a\r\n"), 400),
    "two hosts": (request(headers=b"Host: other\r\n"), 400),
    "length and chunks": (request(headers=b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400),
    "length no number": (request(headers=b"Content-Length: x\r\n"), 400),
    "length negative": (request(headers=b"Content-Length: -1\r\n"), 400),
    "expectation": (request(headers=b"Expect: the-unexpected\r\n"), 417),
    "two keys": (request(headers=b"x-api-key: other\r\n"), 403),
    "key with underscores": (
        b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nx_api_key: " + KEY.encode() + b"\r\n\r\n", 401
    ),
    "key not ASCII": (b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nx-api-key: \xff\xfe\r\n\r\n", 403),
}  # fmt: skip
PROTOCOLS = {
    "not HTTP": (b"hello\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "another version": (request(version=b"HTTP/9.9"), 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
    "proxy protocol": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + request(), 400),
    "lower case method": (request(method=b"get"), 400),
    "markup in the method": (request(method=b"<b>"), 400),
    "unknown method": (request(method=b"NOSUCH"), 405),
    "CONNECT": (request(b"a:1", method=b"CONNECT"), 404),
    "bad chunk": (
        request(method=b"POST", headers=b"Transfer-Encoding: chunked\r\n", body=b"zz\r\nabc\r\n"),
        405,
    ),
}
BODIES = {
    "POST": (request(method=b"POST", headers=b"Content-Length: %d\r\n" % BIG, body=bytes(BIG)), 405),
    "without a key": (
        b"GET " + PATH + b" HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BIG + bytes(BIG),
        401,
    ),
    "form": (
        request(
            b"/rq/queue/runs/compact",
            method=b"POST",
            headers=b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % BIG,
            body=bytes(BIG),
        ),
        401,
    ),
}


@pytest.mark.parametrize(("raw", "code"), **names({**PATHS, **HEADERS, **PROTOCOLS, **BODIES}))
def test_bad_input_is_answered_with_a_json_error(live, raw, code):
    assert_error(live.send(raw), code)
    assert live.request(RANKINGS).status == 200


def test_an_unknown_transfer_coding_is_501(live):
    assert_error(live.send(request(headers=b"Transfer-Encoding: nosuch\r\n")), 501)


@pytest.mark.parametrize("name", [b"SCRIPT_NAME", b"PATH_INFO", b"Script-Name", b"X-Forwarded-Prefix"])
def test_no_header_changes_the_path(live, name):
    assert live.send(request(headers=name + b": /nosuch\r\n")).status == 200


@pytest.mark.parametrize("host", [b"<b>", b"a b", b"[::", b"a:b", b"\xff", b""])
def test_an_invalid_host_changes_nothing(live, host):
    head = b" HTTP/1.1\r\nHost: " + host + b"\r\n"

    assert_error(live.send(b"GET " + PATH + head + b"\r\n"), 401)
    assert live.send(b"GET " + PATH + head + b"x-api-key: " + KEY.encode() + b"\r\n\r\n").status == 200


def test_an_unexpected_body_is_ignored(live):
    assert live.request(RANKINGS, body=bytes(BIG)).status == 200


def test_no_bad_request_causes_an_unexpected_error(live):
    for raw, _ in {**PATHS, **HEADERS, **PROTOCOLS}.values():
        live.send(raw)

    assert "Traceback" not in live.log
    assert "unexpected error" not in live.log


def test_an_unexpected_error_reveals_no_internals(app):
    app.add_url_rule("/broken", view_func=lambda: 1 / 0)

    error = assert_error(app.test_client().get("/broken"), 500)

    assert error["message"] == "Unexpected error; the server's log has the details"


def test_a_lock_timeout_is_not_reported_as_an_unreachable_server(app, conn, redis, settings):
    def wait_for_database():
        with closing(connect(settings)) as other, generation.change(other, redis, wait_s=0.1):
            pass

    def wait_for_redis():
        with redis.lock("test", blocking_timeout=0.1):
            pass

    app.add_url_rule("/database", view_func=wait_for_database)
    app.add_url_rule("/redis", view_func=wait_for_redis)
    client = app.test_client()

    with generation.change(conn, redis), redis.lock("test", timeout=60):
        errors = [assert_error(client.get(path), 503) for path in ("/database", "/redis")]

    assert {error["message"] for error in errors} == {"Another change is in progress; try again in a moment"}


@pytest.mark.parametrize("value", ["", "é\n\0", "x" * 100_000, b"\xff", 7, chr(0xDCFF)])
def test_messages_quote_values_in_few_printable_characters(value):
    assert shown(value).isprintable()
    assert len(shown(value)) <= SHOWN_CHARACTERS + 3
