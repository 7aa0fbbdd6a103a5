"""``--host``: who is not on this machine needs the token that is printed once."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from program import Client, Studio, request
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from playwright.sync_api import Page

Start = Callable[..., Studio]
SAYS = "def process_ip(io_buffer, in_meta, options):\n    return [{'said': 'hello'}]\n"
PAGES = ("/", "/static/main.js", "/favicon.svg", "/clip?stream=test", "/nothing")


@pytest.fixture
def served(studio: Start, library: Any) -> Studio:
    """A studio for the whole network."""
    return studio("test", "--lib", library(SAYS), "--host", "0.0.0.0")


def token_of(served: Studio) -> str:
    (token,) = parse_qs(urlsplit(served.url).query)["token"]
    return token


def cookie_of(served: Studio, token: str | None = None) -> str:
    """Return the cookie that a browser gets for the printed address, or for another token."""
    answer = request(served, f"/?token={token or token_of(served)}")
    return answer.headers["set-cookie"].partition(";")[0]


def test_nothing_without_a_token(served: Studio, client: Callable[..., Client]) -> None:
    for path in PAGES:
        answer = request(served, path)
        assert answer.status in (401, 403), path
        assert "set-cookie" not in answer.headers
        assert token_of(served).encode() not in answer.body
    with pytest.raises(InvalidStatus) as error:
        client(served)
    assert error.value.response.status_code in (401, 403)


def test_the_printed_address_gives_a_cookie_that_scripts_and_others_do_not_get(served: Studio, client: Any) -> None:
    answer = request(served, f"/?token={token_of(served)}")
    assert answer.status in (302, 303, 307)
    assert answer.headers["location"] == "/"
    name_and_value, *rest = answer.headers["set-cookie"].split("; ")
    assert {"httponly", "samesite=strict", "path=/"} <= {each.lower() for each in rest}
    assert not any(each.lower().startswith("domain") for each in rest)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert request(served, "/", Cookie=name_and_value).status == 200
    assert client(served, additional_headers={"Cookie": name_and_value}).hello["streams"]


def test_another_token_gives_nothing(served: Studio) -> None:
    token, name = token_of(served), cookie_of(served).partition("=")[0]
    for wrong in (
        "",
        "x",
        f"{token}x",
        f"x{token}",
        token[:-1],
        token.swapcase(),
        f" {token}",
        "\x00",
        "\u00e4",
        "\ud800",
        "a" * 5000,
    ):
        asked = quote(wrong, errors="surrogatepass")
        answer = request(served, f"/?token={asked}")
        assert answer.status == 401, wrong
        assert "set-cookie" not in answer.headers
        for value in (
            asked,
            f"{name}={asked}",
            f"{name}=; {name}=x",
            name,
            f'{name}="{asked}',
            f"{name}=\xff\xfe",
            f"a[]={token}",
        ):
            assert request(served, "/", Cookie=value).status == 401, value
    assert "Traceback" not in served.output


def test_the_token_is_nowhere_but_in_the_printed_address(served: Studio, client: Any) -> None:
    token = token_of(served)
    assert len(token) >= 22, "128 bits"
    cookie = cookie_of(served)
    for path in PAGES:
        assert token.encode() not in request(served, path, Cookie=cookie).body
    connected = client(served, additional_headers={"Cookie": cookie})
    connected.stream()
    assert token not in str(connected.hello) + str(connected.state)
    request(served, "/?token=wrong")
    assert served.output.count(token) == 1
    for name in ("cmdline", "environ"):
        assert token.encode() not in Path(f"/proc/{served.pid}/{name}").read_bytes()


def test_each_start_has_another_token_and_old_cookies_end(served: Studio) -> None:
    token, cookie = token_of(served), cookie_of(served)
    served.restart()
    assert token_of(served) != token
    assert request(served, "/", Cookie=cookie).status in (401, 403)


def test_two_programs_on_one_machine_do_not_take_each_others_cookies(served: Studio, studio: Start, library: Any) -> None:
    """A browser sends cookies of one port to all ports of the same name."""
    other = studio("test", "--lib", library(SAYS), "--host", "0.0.0.0")
    both = f"{cookie_of(served)}; {cookie_of(other)}"
    assert cookie_of(served).partition("=")[0] != cookie_of(other).partition("=")[0]
    assert [request(each, "/", Cookie=both).status for each in (served, other)] == [200, 200]


def test_the_printed_address_and_the_name_of_this_machine_lead_here(served: Studio) -> None:
    for host in (urlsplit(served.url).netloc, f"{socket.gethostname()}:{served.port}", f"192.168.7.7:{served.port}"):
        assert request(served, f"/?token={token_of(served)}", host=host).status == 303, host
    opener = build_opener(HTTPCookieProcessor())
    with opener.open(served.url, timeout=60) as answer:
        assert answer.status == 200


def test_other_sites_get_nothing_with_the_cookie(served: Studio, client: Any) -> None:
    """SameSite keeps cookies from them; where a browser does not know it, Origin does."""
    cookie = {"Cookie": cookie_of(served)}
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{served.port + 1}"):
        with pytest.raises(InvalidStatus) as error:
            client(served, origin=origin, additional_headers=cookie)
        assert error.value.response.status_code == 403
    assert request(served, "/", host="evil.example", **cookie).status in (400, 403, 421)


def test_a_browser_opens_the_printed_address(served: Studio, page: Page) -> None:
    page.goto(f"{served.base}/?token={token_of(served)}")
    assert page.url == f"{served.base}/"
    assert page.evaluate("document.cookie") == ""
    page.reload()
    assert page.url == f"{served.base}/"
    assert page.title()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_none_is_needed_on_this_machine(studio: Start, library: Any, host: str) -> None:
    if host == "::1" and not Path("/proc/net/if_inet6").read_text().strip():
        pytest.skip("there is no IPv6 here")
    played = studio("test", "--lib", library(SAYS), "--host", host)
    with build_opener().open(played.url, timeout=60) as answer:
        assert answer.status == 200
    assert "token" not in played.output
    assert "Set-Cookie" not in answer.headers
