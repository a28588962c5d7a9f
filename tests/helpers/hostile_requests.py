"""Requests that no browser sends, as the bytes of a connection, by name."""

from __future__ import annotations

import base64
import gzip
import io
import json
import struct
import zlib
from typing import NamedTuple
from urllib.parse import quote

from PIL import Image

TOKEN = "the-token-of-this-server"  # noqa: S105 (of the tests only)
SCRIPT = "<script>alert(1)</script>"


class Hostile(NamedTuple):
    """One connection: what is sent, and the statuses that are right; any below 500 if empty.

    `answers` is false where the server may close without a word.
    """

    name: str
    sent: bytes
    statuses: tuple[int, ...] = ()
    answers: bool = True


def request(
    method: str = "GET",
    path: str = "/",
    headers: tuple[str, ...] = (),
    body: bytes = b"",
    *,
    host: str | None = "127.0.0.1",
    token: str | None = TOKEN,
    version: str = "HTTP/1.1",
    length: bool = True,
) -> bytes:
    """Put a request together, as it is, without any check."""
    lines = [f"{method} {path} {version}".rstrip()]
    if host is not None:
        lines.append(f"Host: {host}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    lines += [*headers, "Connection: close"]
    if body and length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


CLASSIFY = "/api/v1/classify"
JSON = ("Content-Type: application/json",)
FORM = ("Content-Type: application/x-www-form-urlencoded",)


def hostile_requests() -> list[Hostile]:
    """Return all of them; names are unique."""
    return [
        *_methods(),
        *_hosts(),
        *_paths(),
        *_numbers(),
        *_queries(),
        *_headers(),
        *_strangers(),
        *_json(),
        *_addresses(),
        *_forms(),
        *_pictures(),
        *_smuggling(),
        *_no_http(),
    ]


def _methods() -> list[Hostile]:
    unknown = ["TRACE", "TRACK", "DEBUG", "PROPFIND", "PATCH", "DELETE", "PUT", "BREW", "X" * 3000]
    found = [Hostile(f"method {name[:9]}", request(name), (405,)) for name in unknown]
    found += [
        Hostile(f"method {name} of a call", request(name, CLASSIFY), (404, 405))
        for name in ("GET", "DELETE", "PUT", "PATCH", "BREW")
    ]
    found += [
        Hostile("method in small letters", request("get"), (400,)),
        Hostile("method with a blank", request("GE T"), (400,)),
        Hostile("method of control characters", request("G\x01T"), (400,)),
        Hostile("CONNECT", request("CONNECT", "evil.example:443")),
        Hostile("CONNECT to a path", request("CONNECT", "/"), (405,)),
        Hostile("OPTIONS *", request("OPTIONS", "*")),
        Hostile("HEAD", request("HEAD"), (200,)),
        Hostile("HEAD of nothing", request("HEAD", "/nothing"), (404,)),
    ]
    for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        found.append(Hostile(header, request(path="/", headers=(f"{header}: DELETE",)), (200,)))
    return found


def _hosts() -> list[Hostile]:
    foreign = [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8080",
        "evil.example#127.0.0.1",
        "a" * 300,
        "[::1",
        "[evil]",
        "..",
        "%6c%6f%63%61%6c",
        "loc\u00e4lhost",
        "localhost\x00.evil.example",
        f'"{SCRIPT}',
        "user@evil.example",
        "evil.example, localhost",
        "{{7*7}}",
        "$(id)",
        "-",
    ]
    found = [Hostile(f"host {host[:24]!r}", request(host=host), (421, 400)) for host in foreign]
    found += [
        Hostile("host missing", request(host=None)),
        Hostile("host empty", request(host=""), (421, 400)),
        Hostile("two hosts", request(headers=("Host: evil.example",)), (421, 400)),
        Hostile("host in a blank", request(headers=("Host : evil.example",)), (400,)),
        Hostile("absolute address", request(path="http://evil.example/"), (200, 404, 421)),
        Hostile("absolute https address", request(path="https://evil.example/x"), (404, 421)),
        Hostile("absolute address of no host", request(path="http:///"), (200, 404, 400)),
        Hostile("absolute address of no network", request(path="http://[/"), (400,)),
    ]
    for header in ("X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded"):
        value = "host=evil.example" if header == "Forwarded" else "evil.example"
        found.append(
            Hostile(f"{header} of a stranger", request(headers=(f"{header}: {value}",)), (200,))
        )
    return found


def _paths() -> list[Hostile]:
    wrong = [
        "/../../etc/passwd",
        "/static/../app.py",
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static/..%5c..%5capp.py",
        "/static/....//....//app.py",
        "/static/%252e%252e/app.py",
        "/static/..%c0%af..%c0%afapp.py",
        "/static/%c0%ae%c0%ae/app.py",
        "/static//etc/passwd",
        "/static/page.css%00.html",
        "/static/page.css/..",
        "/static/",
        "/static",
        "/static/C:/boot.ini",
        "/static/\\\\evil\\share",
        "/static/.git/config",
        "/.env",
        "/.git/HEAD",
        "/wp-login.php",
        "/cgi-bin/sh",
        "/console",
        "/%00",
        "/%ff%fe",
        "/%u0000",
        "/%",
        "/%zz",
        "/\xff\xfe",
        "/%e2%80%ae",
        "/a%0d%0aX-Injected:%20yes",
        "/a%0aSet-Cookie:x=1",
        "/;jsessionid=1",
        "/index.html",
        f"/{quote(SCRIPT)}",
        f"/{SCRIPT.replace(' ', '')}",
        "/" + "a/" * 4000,
        "/" + "%41" * 3000,
        "/api/v1/",
        "/api/v1/../../",
        f"/api/v1/{quote(SCRIPT)}",
        "/api/v1/%00",
        "/sessions/",
        "/sessions/1/",
        "/sessions/1/report.exe",
        "/sessions/1/report.",
        "/sessions/1/report.html%00",
        "/sessions/1/report.../../",
        f"/sessions/1/report.{quote(SCRIPT)}",
        "/live/..",
        "//evil.example/..",
        "/\\evil.example",
    ]
    found = [Hostile(f"path {path[:34]!r}", request(path=path), (400, 404, 405)) for path in wrong]
    return [
        *found,
        Hostile("path of two slashes", request(path="//evil.example"), (404,)),
        Hostile("path without a slash", request(path="sessions")),
        Hostile("path of a fragment", request(path="/#/../x"), (200,)),
        Hostile("path longer than a header may be", request(path="/" + "a" * 40_000), (431,)),
    ]


def _numbers() -> list[Hostile]:
    numbers = ["-1", "0", "99", str(2**31), str(2**63), str(2**64), "9" * 400, "1e9", "1.0", "+1"]
    numbers += ["%D9%A1", "0x1", "1%20OR%201=1", "NaN"]
    places = ["/sessions/{}", "/sessions/{}/live", "/sessions/{}/events", "/sessions/{}/report.csv"]
    places.append("/api/v1/sessions/{}/report")
    return [
        Hostile(f"number {place.format(number[:12])}", request(path=place.format(number)), (404,))
        for place in places
        for number in numbers
    ]


def _queries() -> list[Hostile]:
    found = []
    for value in ("0", "-1", "1e9", "9" * 9, "9" * 5000, "\u0661", "", "%00", "1;2", quote(SCRIPT)):
        path = f"/sessions?page={quote(value, safe='%')}"
        found.append(Hostile(f"page {value[:12]!r}", request(path=path), (400, 404)))
    sites = [
        "' OR 1=1 --",
        "%",
        "_",
        "\x00",
        SCRIPT,
        "a" * 8000,
        "{{7*7}}",
        "\ud7ff",
        '"><img src=x>',
    ]
    sites += ["../../etc/passwd", "%25%00", "$(id)", "\u202e", "a\r\nX-Injected: yes"]
    for site in sites:
        asked = f"?site={quote(site, errors='surrogatepass')}"
        found.append(Hostile(f"site {site[:12]!r}", request(path=f"/sessions{asked}"), (200, 400)))
        found.append(
            Hostile(f"site {site[:12]!r} of the call", request(path=f"/api/v1/sessions{asked}"))
        )
    for name in ("measure", "ad"):
        for value in (SCRIPT, "valence'", "\x00", "__class__", "a" * 4000):
            path = f"/api/v1/compare?ad=summer&ad=winter&{name}={quote(value)}"
            found.append(Hostile(f"{name} {value[:9]!r}", request(path=path), (400, 404)))
            page = f"/compare?ad=summer&ad=winter&{name}={quote(value)}"
            found.append(
                Hostile(f"{name} {value[:9]!r} of the page", request(path=page), (400, 404))
            )
    many = "&".join(f"ad={number}" for number in range(1500))
    found += [
        Hostile("1,500 ads", request(path=f"/api/v1/compare?{many}"), (400,)),
        Hostile("1,500 ads of the page", request(path=f"/compare?{many}"), (400,)),
        Hostile("a query of megabytes", request(path="/sessions?site=" + "a" * 3_000_000), (431,)),
        Hostile(
            "10,000 parameters",
            request(path="/compare?" + "&".join(f"ad={number}" for number in range(10_000))),
            (431,),
        ),
        Hostile("parameters of no name", request(path="/sessions?&&&==&=&%&"), (200,)),
        Hostile("parameter in brackets", request(path="/sessions?site[]=a&site[b]=c"), (200,)),
    ]
    for following in ("//evil.example", "https://evil.example", "/\\evil.example", "/%0d%0aX-Injected:1",
                      "javascript:alert(1)", "/\t/evil.example", "\u2044evil", "///evil.example"):  # fmt: skip
        path = f"/login?next={quote(following, safe='%')}"
        found.append(Hostile(f"next {following!r}", request(path=path), (200, 303)))
    return found


def _headers() -> list[Hostile]:
    odd = [
        "Cookie: ad_monitor=eyJsb2dpbiI6IngifQ.x.y",
        "Cookie: ad_monitor=" + "A" * 8000,
        "Cookie: " + "; ".join(f"c{number}=1" for number in range(1000)),
        "Cookie: =;;;=\x01",
        "Cookie: ad_monitor=.eJwrSC3KBgAEeAHO" + "A" * 100,
        "Range: bytes=0-,0-,0-,0-",
        "Range: bytes=" + ",".join(f"{number}-" for number in range(1300)),
        "Range: bytes=-9999999999999999999",
        "If-None-Match: " + "W/" * 4000,
        'If-Match: "\xff"',
        "If-Modified-Since: Thu, 99 Foo 99999 99:99:99 GMT",
        "Accept: " + ",".join(["text/html;q=0.1"] * 900),
        "Accept: \xff\xfe;q=nan",
        "Accept: */*;q=1e999",
        "Accept-Language: " + "a-" * 4000,
        "Accept-Encoding: gzip;q=-1, \x0b",
        "Referer: javascript:alert(1)",
        f"User-Agent: {SCRIPT}",
        "User-Agent: () { :; }; echo",
        "Last-Event-ID: " + "9" * 4000,
        "Upgrade: h2c",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "Expect: 200-maybe",
        "Max-Forwards: 0",
        "Content-Type: \xff",
        "Content-Type: " + "a/" * 4000,
        "Content-Type: text/html; charset=utf-7",
        "Proxy: http://evil.example",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: " + "1.2.3.4," * 900,
        "X-Forwarded-Proto: javascript",
        "X-Real-IP: 127.0.0.1",
        "TE: trailers",
        "X: " + "a" * 15_000,
    ]
    found = [Hostile(f"header {line[:30]!r}", request(headers=(line,))) for line in odd]
    return [
        *found,
        Hostile("header of no name", request(headers=(": value",)), (400,)),
        Hostile("header of no colon", request(headers=("nothing",)), (400,)),
        Hostile("header with NUL", request(headers=("X: a\x00b",))),
        Hostile("header folded", request(headers=("X: a\r\n b",))),
        Hostile("header folded at once", request(host="127.0.0.1\r\n evil.example"), (421, 400)),
        Hostile("bare line feed", b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n", (400,), answers=False),
        Hostile("bare carriage return", request(headers=("X: a\rY: b",)), (400,)),
        Hostile("a thousand headers", request(headers=("X: 1",) * 1000)),
        Hostile("10,000 headers", request(headers=("X: 1",) * 10_000), (431,)),
        Hostile("a header too large", request(headers=("X: " + "a" * 300_000,)), (431,)),
    ]


def _strangers() -> list[Hostile]:
    evil = ("Origin: https://evil.example",)
    found = []
    for path in ("/", "/login", "/logout", CLASSIFY):
        for headers in (
            evil,
            ("Origin: null",),
            ("Origin: http://127.0.0.1.evil.example",),
            ("Sec-Fetch-Site: cross-site",),
            ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate"),
        ):
            sent = request("POST", path, (*headers, *FORM), b"url=x&token=y", token=None)
            found.append(Hostile(f"{headers[0]} to {path}", sent, (403,)))
    closed = ["/", "/sessions", "/sessions/1", "/live", "/compare", "/api", "/api/v1/health"]
    closed += ["/api/v1/sessions", "/sessions/1/report.csv", "/sessions/1/events", "/nothing"]
    found += [
        Hostile(f"no token for {path}", request(path=path, token=None), (401, 303))
        for path in closed
    ]
    wrong = ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\xff" * 20, "a" * 9000]
    found += [
        Hostile(f"wrong token {number}", request(token=token), (401, 429, 400))
        for number, token in enumerate(wrong)
    ]
    basic = base64.b64encode(f"admin:{TOKEN}".encode()).decode()
    found += [
        Hostile(
            "basic", request(headers=(f"Authorization: Basic {basic}",), token=None), (401, 303)
        ),
        Hostile(
            "token in the query", request(path=f"/sessions?token={TOKEN}", token=None), (401, 303)
        ),
        Hostile("two tokens", request(headers=("Authorization: Bearer x",)), (200, 401)),
        Hostile(
            "a login without a token",
            request("POST", "/login", (*FORM, "Origin: http://127.0.0.1"), b"token=", token=None),
            (401, 403),
        ),
        Hostile(
            "a logout of nobody",
            request("POST", "/logout", ("Sec-Fetch-Site: same-origin",), token=None),
        ),
    ]
    return found


def _json() -> list[Hostile]:
    bodies = {
        "nothing": b"",
        "null": b"null",
        "a list": b"[]",
        "a deep list": b"[" * 30_000,
        "a deep object": b'{"url":' * 8000,
        "not UTF-8": b'{"url": "\xff\xfe"}',
        "UTF-16": '{"url": "x"}'.encode("utf-16"),
        "a lone surrogate": b'{"url": "http://\\ud800.example/"}',
        "a number": b'{"url": 1}',
        "a huge number": b'{"url": ' + b"9" * 20_000 + b"}",
        "not a number": b'{"url": NaN}',
        "twice the same": b'{"url": "x", "url": "ftp://y"}',
        "a prototype": b'{"__proto__": {"url": "x"}, "url": "x"}',
        "an empty address": b'{"url": ""}',
        "more than an address": b'{"url": "x", "path": "/etc/passwd"}',
        "a script": json.dumps({"url": SCRIPT}).encode(),
        "NUL": b'{"url": "http://a\\u0000b/"}',
        "new lines": b'{"url": "http://a/\\r\\nX-Injected: yes"}',
    }
    found = [
        Hostile(f"JSON: {name}", request("POST", CLASSIFY, JSON, body), (400, 411, 413, 415))
        for name, body in bodies.items()
    ]
    large = b'{"url": "' + b"a" * 100_000 + b'"}'
    packed = gzip.compress(b'{"url": "' + bytes(10_000_000) + b'"}')
    return [
        *found,
        Hostile("JSON: too large", request("POST", CLASSIFY, JSON, large), (413,)),
        Hostile(
            "JSON: packed",
            request("POST", CLASSIFY, (*JSON, "Content-Encoding: gzip"), packed),
            (400, 415),
        ),
    ]


def _addresses() -> list[Hostile]:
    addresses = [
        "file:///etc/passwd",
        "ftp://evil.example/a.png",
        "gopher://127.0.0.1:25/x",
        "data:image/png;base64,AAAA",
        "dict://127.0.0.1:11211/",
        "javascript:alert(1)",
        "http://127.0.0.1/",
        "http://127.0.0.1:22/",
        "http://localhost/",
        "http://a.localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fe80::1%25eth0]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://0/",
        "http://0.0.0.0/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://168.63.129.16/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://user:secret@example.org/",
        "http://example.org@127.0.0.1/",
        "http://example.org\\@127.0.0.1/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:22/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
        "http:///",
        "http://./",
        "http://-/",
        "//127.0.0.1/",
        "http://" + "a" * 300 + ".example/",
        "http://" + "a." * 3000 + "example/",
    ]
    found = []
    for address in addresses:
        name = address[:40]
        call = request("POST", CLASSIFY, JSON, json.dumps({"url": address}).encode())
        found.append(Hostile(f"fetch {name!a}", call, (400, 422)))
    for address in addresses[:4]:
        form = request("POST", "/", FORM, f"url={quote(address)}".encode())
        found.append(Hostile(f"fetch {address[:40]!a} by the page", form, (400, 422)))
    return found


def _part(content: bytes, disposition: str = 'form-data; name="image"; filename="a.png"') -> bytes:
    head = f"--edge\r\nContent-Disposition: {disposition}\r\n\r\n".encode("latin-1")
    return head + content + b"\r\n"


def _forms() -> list[Hostile]:
    kind = "Content-Type: multipart/form-data"
    edge, end = f"{kind}; boundary=edge", b"--edge--\r\n"
    picture = _picture()
    many = b"".join(_part(b"x", f'form-data; name="f{number}"') for number in range(2000))
    parts = {
        "no boundary": (kind, picture),
        "an empty boundary": (f"{kind}; boundary=", picture),
        "a boundary of 9,000": (f"{kind}; boundary={'b' * 9000}", picture),
        "a boundary of control characters": (f"{kind}; boundary=\x01\x02", picture),
        "no part": (edge, end),
        "no end": (edge, _part(picture)),
        "no head": (edge, b"--edge\r\n\r\n\r\n" + end),
        "a head without end": (edge, b"--edge\r\nX: " + b"a" * 200_000),
        "2,000 parts": (edge, many + end),
        "no name": (edge, _part(picture, "form-data") + end),
        "a name of 100,000": (edge, _part(b"x", f'form-data; name="{"n" * 100_000}"') + end),
        "a field of a megabyte": (edge, _part(b"x" * 1_000_000, 'form-data; name="url"') + end),
        "a file that is no picture": (edge, _part(SCRIPT.encode()) + end),
        "an empty file": (edge, _part(b"") + end),
        "another disposition": (edge, _part(picture, "attachment; filename=a.png") + end),
        "text instead of a file": (edge, _part(b"x", 'form-data; name="image"') + end),
        "another charset": (f"{edge}; charset=utf-7", _part(b"+ADw-") + end),
        "an encoding": (edge, b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n'
                        b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n" + end),
    }  # fmt: skip
    found = []
    for name, (header, body) in parts.items():
        for path in ("/", CLASSIFY):
            sent = request("POST", path, (header,), body)
            found.append(Hostile(f"form with {name} to {path}", sent, (400, 413, 415, 422)))
    for name in (
        "../../../etc/passwd",
        "a\x00.png",
        SCRIPT,
        "\xff\xfe.png",
        "n" * 5000,
        "CON",
        "a\r\nX: y",
    ):
        sent = _part(picture, f'form-data; name="image"; filename="{name}"') + end
        found.append(Hostile(f"file named {name[:16]!r}", request("POST", "/", (edge,), sent)))
    fields = {
        "5,000 fields": "&".join(f"f{number}=1" for number in range(5000)),
        "60 kB of %FF": "url=" + "%FF" * 20_000,
        "no field": "&&&&",
        "a script": f"url={quote(SCRIPT)}",
        "half an escape": "url=%f",
    }
    for name, text in fields.items():
        found.append(
            Hostile(f"form of {name}", request("POST", "/", FORM, text.encode()), (400, 413))
        )
        found.append(Hostile(f"login of {name}", request("POST", "/login", FORM, text.encode()),
                             (303, 400, 401, 413)))  # fmt: skip
    large = b"token=" + b"%FF" * 9_000_000
    found.append(
        Hostile("login of 27 MB", request("POST", "/login", FORM, large, token=None), (413, 403))
    )
    return found


def _picture(kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 12), (9, 99, 199)).save(stream, kind, **options)
    return stream.getvalue()


def _png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    for name, content in ((b"IHDR", head), *chunks, (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + content))
        parts.append(struct.pack(">I", len(content)) + name + content + check)
    return b"".join(parts)


def _pictures() -> list[Hostile]:
    rows = (b"IDAT", zlib.compress((b"\x00" + bytes(12)) * 4))
    bomb = zlib.compress(bytes(40 << 20))
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(3) + b"," + struct.pack(
        "<HHHH", 0, 0, 65535, 65535) + b"\x00\x02\x02\x4c\x01\x00;"  # fmt: skip
    frames = [Image.new("RGB", (16, 16), (number, 0, 0)) for number in range(200)]
    pictures = {
        "nothing": b"",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "SVG that reads a file": b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
        "PDF": b"%PDF-1.7\n",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "PSD": b"8BPS" + bytes(40),
        "ICO": b"\x00\x00\x01\x00\x01\x00" + bytes(40),
        "PPM": b"P6\n2 2\n255\n" + bytes(12),
        "HEIC": b"\x00\x00\x00\x18ftypheic" + bytes(40),
        "ImageMagick": b"push graphic-context\nfill 'url(https://evil.example/)'\n",
        "ZIP": b"PK\x03\x04" + bytes(40),
        "gzip": gzip.compress(bytes(1_000_000)),
        "HTML": b"<html><script>alert(1)</script>",
        "half a PNG": _picture()[:40],
        "half a JPEG": _picture("JPEG")[:200],
        "a huge PNG": _png(50_000, 50_000, rows),
        "a wide PNG": _png(0x7FFFFFFF, 1, rows),
        "a PNG of no pixel": _png(0, 0, rows),
        "a PNG without pixels": _png(100, 100),
        "a PNG with a profile of 40 MB": _png(4, 4, (b"iCCP", b"icc\x00\x00" + bomb), rows),
        "a PNG with a text of 40 MB": _png(4, 4, (b"zTXt", b"Comment\x00\x00" + bomb), rows),
        "a PNG with a text behind": _png(4, 4, rows, (b"zTXt", b"Comment\x00\x00" + bomb)),
        "a PNG with a wrong sum": _picture().replace(b"IDAT", b"IDAX"),
        "a huge GIF": gif,
        "a BMP of minus": _picture("BMP")[:18] + struct.pack("<ii", -5, -5) + _picture("BMP")[26:],
        "a TIFF of itself": b"II*\x00\x08\x00\x00\x00\x01\x00" + bytes(12) + b"\x08\x00\x00\x00",
        "a WebP of no size": b"RIFF\xff\xff\xff\xffWEBPVP8X" + bytes(30),
    }
    found = []
    for name, content in pictures.items():
        sent = request("POST", CLASSIFY, ("Content-Type: image/png",), content)
        found.append(Hostile(f"picture: {name}", sent, (400, 411, 413, 415, 422)))
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    animated = request("POST", CLASSIFY, ("Content-Type: image/gif",), stream.getvalue())
    found.append(Hostile("picture: 200 frames", animated, (200,)))
    big = request("POST", CLASSIFY, ("Content-Type: image/png",), _picture())
    found.append(
        Hostile(
            "picture: too large",
            big.replace(b"Content-Length: ", b"Content-Length: 9999999"),
            (413,),
        )
    )
    return found


def _smuggling() -> list[Hostile]:
    hidden = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    chunked = "Transfer-Encoding: chunked"
    odd = {
        "both lengths": ("Content-Length: 4", chunked),
        "both lengths, turned": (chunked, "Content-Length: 4"),
        "two lengths": ("Content-Length: 4", "Content-Length: 5"),
        "two same lengths": ("Content-Length: 4", "Content-Length: 4"),
        "a list of lengths": ("Content-Length: 4, 4",),
        "a negative length": ("Content-Length: -4",),
        "a signed length": ("Content-Length: +4",),
        "a length in hex": ("Content-Length: 0x4",),
        "a length of blanks": ("Content-Length: 4 4",),
        "a length of letters": ("Content-Length: four",),
        "a length of 5,000 digits": ("Content-Length: " + "9" * 5000,),
        "a length in other digits": ("Content-Length: \xb2",),
        "chunks twice": (chunked, "Transfer-Encoding: identity"),
        "chunks in disguise": ("Transfer-Encoding: xchunked",),
        "chunks with a tab": ("Transfer-Encoding:\tgzip, chunked",),
        "chunks in a list": ("Transfer-Encoding: chunked, gzip",),
        "chunks with a control character": ("Transfer-Encoding: \x0bchunked",),
    }
    found = [
        Hostile(
            f"length: {name}",
            request("POST", CLASSIFY, (*JSON, *headers), b"0\r\n\r\n" + hidden, length=False),
            (400, 413),
        )
        for name, headers in odd.items()
    ]
    chunks = {
        "no number": b"xyz\r\nabc\r\n0\r\n\r\n",
        "a negative number": b"-1\r\nabc\r\n0\r\n\r\n",
        "a number of 2,000 digits": b"f" * 2000 + b"\r\n",
        "a line without end": b"1;" + b"x" * 50_000,
        "a chunk too long": b"1\r\nabc\r\n0\r\n\r\n",
        "a trailer without end": b"0\r\n" + b"X: y\r\n" * 9000,
        "another end of line": b"1\nx\n0\n\n",
    }
    for name, body in chunks.items():
        sent = request("POST", CLASSIFY, (*JSON, chunked), body, length=False)
        # An end that never comes is waited for; the client leaves first.
        found.append(
            Hostile(f"chunks: {name}", sent, (400,), answers=name != "another end of line")
        )
    found += [
        Hostile("chunks of HTTP/1.0", request("POST", CLASSIFY, (chunked,), hidden, version="HTTP/1.0", length=False), (400,)),
        Hostile("a body of GET", request("GET", "/sessions", (), hidden)),
        Hostile("a request behind a refused one", request("POST", CLASSIFY, ("Content-Length: 99999999",), hidden, length=False), (413,)),
        Hostile("200 requests at once", request().replace(b"Connection: close\r\n", b"") * 200 + request()),
    ]  # fmt: skip
    return found


def _no_http() -> list[Hostile]:
    return [
        Hostile("nothing", b"", answers=False),
        Hostile("a blank line", b"\r\n\r\n", answers=False),
        Hostile("NUL", bytes(1000), answers=False),
        Hostile("bytes", bytes(range(256)) * 8 + b"\r\n\r\n", (400, 431)),
        Hostile("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), answers=False),
        Hostile("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Hostile("HTTP/0.9", b"GET /\r\n\r\n"),
        Hostile("HTTP/9.9", request(version="HTTP/9.9")),
        Hostile("HTTP/1.0", request(version="HTTP/1.0"), (200,)),
        Hostile("HTTP/1", request(version="HTTP/1"), (400,)),
        Hostile("HTTP in small letters", request(version="http/1.1"), (400,)),
        Hostile("no version", b"GET / \r\nHost: 127.0.0.1\r\n\r\n"),
        Hostile("an answer", b"HTTP/1.1 200 OK\r\n\r\n", (400,)),
        Hostile("SSH", b"SSH-2.0-OpenSSH_9.0\r\n\r\n", (400,)),
        Hostile("SMTP", b"EHLO evil.example\r\n\r\n", (400, 404, 421)),
        Hostile("a first line without end", b"GET /" + b"a" * 100_000, (431,)),
        Hostile("half a header", b"GET / HTTP/1.1\r\nHost: 12", answers=False),
    ]
