"""Who may see the page of the studio, and what can be got through it: nothing but what it offers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from program import Answer, Studio, request

from empycustom import studio as room

Start = Callable[..., Studio]
STATIC = Path(room.__file__).parent / "static"
SAYS = "def process_ip(io_buffer, in_meta, options):\n    return [{'said': options.get('word', 'hello')}]\n"
PAGES = ("/", "/static/main.js", "/favicon.svg", "/clip?stream=test")
OWN = ("127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.2")
FOREIGN = (
    *("evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "localhost.evil.example", "a b", "[::1"),
    *(
        "0.0.0.0:{port}",
        "192.168.0.1:{port}",
        "127.1:{port}",
        "2130706433",
        "0x7f000001",
        "[::ffff:8.8.8.8]",
        "localhost:1@evil.example",
    ),
    *("", " ", "localhost\t.evil.example", "localhost,evil.example", "%6cocalhost", "l\u00f6calhost", "a" * 8000),
)


@pytest.fixture
def played(studio: Start, library: Any) -> Studio:
    """A studio that plays test pictures, for this machine alone."""
    return studio("test", "--lib", library(SAYS))


def handshake(studio: Studio, host: str, origin: str | None) -> Answer:
    """Ask for a WebSocket; 101 is yes."""
    asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    return request(
        studio, "/ws", host=host, Sec_WebSocket_Version="13", **asked, **({} if origin is None else {"Origin": origin})
    )


def assert_guarded(answer: Answer) -> None:
    """Check the headers that every answer has."""
    policy = dict(each.strip().partition(" ")[::2] for each in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert "server" not in answer.headers, "nobody has to know the version of the server"


def test_answers_have_headers_that_let_nobody_else_in(played: Studio) -> None:
    for path in (*PAGES, "/static/", "/nothing", "/static/nothing.js"):
        answer = request(played, path)
        assert_guarded(answer)
        assert answer.status == (404 if "nothing" in path or path == "/static/" else answer.status), path
    assert_guarded(request(played, "/", host="evil.example"))
    assert_guarded(request(played, "/", method="POST"))
    assert request(played, "/").status == 200


def test_what_is_shown_is_not_kept_by_the_browser(played: Studio) -> None:
    for path in ("/", "/clip?stream=test", "/clip?stream=nothing"):
        assert request(played, path).headers["cache-control"] == "no-store", path
    # An update of the package is seen at once.
    assert request(played, "/static/main.js").headers["cache-control"] in ("no-cache", "no-store")


def test_a_name_of_somebody_else_is_refused(played: Studio) -> None:
    """Their name may lead here: a page of theirs would read what ours says (DNS rebinding)."""
    for host in (name.format(port=played.port) for name in FOREIGN):
        for path in PAGES:
            answer = request(played, path, host=host or " ")
            assert answer.status in (400, 403, 421), (host, path)
            assert b"<script" not in answer.body
        for origin in (played.base, f"http://{host}"):
            assert handshake(played, host or " ", origin).status in (400, 403, 421), host
    assert "Traceback" not in played.output


OTHERS = (
    *("http://evil.example", "http://evil.example:{port}", "null", "", "http://127.0.0.1:1", "http://127.0.0.1", "file://"),
    *(
        "http://127.0.0.1:{port}.evil.example",
        "http://evil.example/127.0.0.1:{port}",
        "http://localhost:{port}",
        "127.0.0.1:{port}",
    ),
    *("http://a@127.0.0.1:{port}", "http://127.0.0.1:{port}@evil.example", "http://[::1]:{port}", "http://[::1", "\xff"),
)


def test_pages_of_other_sites_get_no_websocket(played: Studio) -> None:
    """Browsers always say which page asks; a program that says nothing is not a browser."""
    for origin in (each.format(port=played.port) for each in OTHERS):
        assert handshake(played, f"127.0.0.1:{played.port}", origin).status == 403, origin
        assert request(played, "/", Origin=origin).status == 403, origin
    assert handshake(played, f"127.0.0.1:{played.port}", None).status == 101
    assert "Traceback" not in played.output


def test_the_own_page_gets_one_by_each_name_of_this_machine(played: Studio) -> None:
    for name in OWN:
        host = f"{name}:{played.port}"
        assert request(played, "/", host=host).status == 200, name
        assert handshake(played, host, f"http://{host.lower()}").status == 101, name


def test_a_request_without_a_name_is_refused(played: Studio) -> None:
    assert request(played, "/", host=None).status in (400, 403, 421)


OUTSIDE = (
    "/static/../__init__.py", "/static/../../errors.py", "/static/%2e%2e/__init__.py", "/static/..%2f__init__.py",
    "/static/%2e%2e%2f__init__.py", "/static/..%5c__init__.py", "/static/%252e%252e/__init__.py", "/static/....//__init__.py",
    "/static//etc/passwd", "/static/%2fetc/passwd", "/static/./../__init__.py", "/static/vendor/../../__init__.py",
    "/static/%00", "/static/main.js%00.py", "/static/main.js/../../__init__.py", "/static/%ff%fe",
    "/static/..", "/static/%2e%2e", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/static/vendor/",
    "/static/" + "a" * 5000, "/static/" + "../" * 40 + "etc/passwd", "/clip?stream=../../etc/passwd", "/clip?stream=/etc/passwd",
)  # fmt: skip


def test_nothing_outside_of_the_page_can_be_read(played: Studio) -> None:
    for path in OUTSIDE:
        answer = request(played, path)
        assert answer.status in (400, 404, 414), path
        assert not any(text in answer.body for text in (b"root:", b"import", str(STATIC.parent).encode())), path
    assert request(played, "/").status == 200
    assert "Traceback" not in played.output


def test_a_link_in_the_folder_of_the_page_leads_nowhere(studio: Start, library: Any, tmp_path: Path) -> None:
    """The folder of a user is not served, whatever it is called."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "mine.js").write_text("mine")
    assert request(studio("test", "--lib", library(SAYS)), "/static/mine.js").status == 404


def test_nothing_can_be_written(played: Studio) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "NONSENSE"):
        for path in (*PAGES, "/ws", "/nothing"):
            answer = request(played, path, method=method, Content_Length="0")
            assert answer.status == 405, (method, path)
            assert_guarded(answer)
    assert request(played, "/", method="HEAD").body == b""


@pytest.mark.parametrize(
    "name", ['x"; filename="evil.exe', "a\r\nSet-Cookie: a=b", "a%0d%0aSet-Cookie: a=b", "<b>", "ü", "\x00", "a" * 3000]
)
def test_a_name_in_the_query_cannot_make_a_header(played: Studio, name: str) -> None:
    from urllib.parse import quote

    for path in (f"/clip?stream={quote(name)}", f"/clip?stream={quote(quote(name))}"):
        answer = request(played, path)
        assert answer.status in (400, 404)
        assert "set-cookie" not in answer.headers
        assert "content-disposition" not in answer.headers
    assert "Traceback" not in played.output


def test_hostile_names_of_streams_are_no_headers(studio: Start, client: Any, library: Any, tmp_path: Path) -> None:
    names = ['x"; filename="evil.exe', "<img src=x onerror=alert(1)>", "a;b=c", "日本", "%0d%0aX: y", "it's"]
    library(SAYS)
    made = {"pipeline_configuration": {"empycustom": {"custom-lib": "lib.py", "in-place": True}}}
    streams = [{"stream_id": name, "location": "test"} for name in names]
    (tmp_path / "emi_stream_config.json").write_text(json.dumps({**made, "streams": streams}))
    served = studio("emi_stream_config.json")
    watching = client(served)
    assert watching.hello["streams"] == names
    for name in names:
        watching.watch(name)
        assert watching.frame().header["stream"] == name
        answer = request(served, f"/clip?stream={quote(name, safe='')}")
        assert answer.status == 200
        disposition = answer.headers["content-disposition"]
        assert re.fullmatch(r"attachment; filename\*=UTF-8''[A-Za-z0-9_.%~-]+", disposition), disposition
        assert_guarded(answer)
