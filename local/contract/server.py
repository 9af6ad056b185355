#!/usr/bin/env python3
"""A source that speaks docs/source-contract.md, written from that page with the standard library alone.

    python3 local/contract/server.py --port 8080 --user archive --password secret

It serves items.json and content.json beside it, and prints its address when it listens. An implementation against a
real site has the same three routes; what is here to fail on purpose (--busy, --suspended, --cursor-seconds) is not in it.
"""
import argparse
import base64
import datetime
import email.utils
import hmac
import http.server
import json
import pathlib
import re
import secrets
import threading
import time
import urllib.parse

BASE = "/api/rest/archive/o2/"
HERE = pathlib.Path(__file__).resolve().parent
RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z")


def parse_time(text):
    """Returns the nanoseconds of a time in UTC, or None if it is not one in the form of RFC 3339."""
    match = RFC3339.fullmatch(text or "")
    if not match:
        return None
    try:
        whole = datetime.datetime.fromisoformat(match[1] + "+00:00")
    except ValueError:
        return None
    return int(whole.timestamp()) * 10**9 + int((match[2] or ".0")[1:].ljust(9, "0"))


class Source:
    """The items, oldest first, and what the command line asked for."""

    def __init__(self, options):
        self.options = options
        self.key = secrets.token_bytes(32)  # of cursors: one that is not from here is refused
        items = json.loads((HERE / "items.json").read_text(encoding="utf-8"))
        self.items = sorted(items, key=lambda item: parse_time(item["archivedTime"]))
        self.content = json.loads((HERE / "content.json").read_text(encoding="utf-8"))
        self.busy = options.busy
        self.lock = threading.Lock()

    def window(self, begin, end):
        return [item for item in self.items if begin <= parse_time(item["archivedTime"]) < end]

    def page(self, begin, end, limit, at):
        """Returns a page, and a cursor if it was not the last one. A page may be smaller than the limit, and empty."""
        items = self.window(begin, end)
        size = min(limit, self.options.page)
        page = {"items": items[at:at + size]}
        if at + size < len(items):
            page["next"] = self.cursor(begin, end, at + size)
        return page

    def cursor(self, begin, end, at):
        body = json.dumps([begin, end, at, time.time()]).encode()
        mark = hmac.new(self.key, body, "sha256").digest()
        return base64.urlsafe_b64encode(mark + body).decode().rstrip("=")  # about 150 bytes; at most 2048 are allowed

    def read_cursor(self, text, begin, end):
        """Returns where the page begins, and a status if the cursor is of no use."""
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            mark, body = data[:32], data[32:]
            if not hmac.compare_digest(mark, hmac.new(self.key, body, "sha256").digest()):
                return 0, 400
            first, last, at, issued = json.loads(body)
        except ValueError:
            return 0, 400
        if (first, last) != (begin, end):
            return 0, 400
        if time.time() - issued > self.options.cursor_seconds:
            return 0, 410
        return at, 0

    def is_busy(self):
        """Reports whether this request is one of the first that are turned away, and the number of those still to come."""
        with self.lock:
            if self.busy <= 0:
                return False, 0
            self.busy -= 1
            return True, self.busy


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    source = None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if not self.authorized():
            return
        busy, left = self.source.is_busy()
        if busy:  # once as a number of seconds, once as a date: both are legal
            after = "1" if left % 2 else email.utils.formatdate(time.time() + 2, usegmt=True)
            return self.error(429 if left % 2 else 503, {"Retry-After": after})
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path == BASE + "items":
            return self.items(query)
        if url.path == BASE + "count":
            begin, end = parse_time(query.get("from")), parse_time(query.get("to"))
            if begin is None or end is None:
                return self.error(400)
            return self.json(200, {"total": len(self.source.window(begin, end))})
        file = self.source.content.get(url.path)
        if file is None:
            return self.error(404)
        return self.send(200, base64.b64decode(file["base64"]), file["contentType"])

    def items(self, query):
        begin, end, limit = parse_time(query.get("from")), parse_time(query.get("to")), query.get("limit", "")
        if begin is None or end is None or not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return self.error(400)
        at = 0
        if "cursor" in query:
            at, status = self.source.read_cursor(query["cursor"], begin, end)
            if status:
                return self.error(status)
        return self.json(200, self.source.page(begin, end, int(limit), at))

    def authorized(self):
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
        except ValueError:
            user, password = "", ""
        options = self.source.options
        if scheme.lower() != "basic" or not hmac.compare_digest(user.encode(), options.user.encode()):
            self.json(401, {"code": 300, "message": "no such user"})
        elif not hmac.compare_digest(password.encode(), options.password.encode()):
            self.json(401, {"code": 301, "message": "bad password"})
        elif options.suspended:
            self.json(403, {"code": 309, "message": "suspended"})
        else:
            return True
        return False

    def json(self, status, value, headers=None):
        self.send(status, json.dumps(value).encode(), "application/json", headers)

    def error(self, status, headers=None):
        self.json(status, {"code": status, "message": "see docs/source-contract.md"}, headers)

    def send(self, status, body, content_type, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))  # by which the archive knows that an answer is whole
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Logs nothing: a request's address holds a cursor, and the name of a file."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0: any that is free")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--page", type=int, default=1000, help="most items of a page")
    parser.add_argument("--busy", type=int, default=0, help="so many requests are turned away first")
    parser.add_argument("--suspended", action="store_true", help="the right password is answered with 403")
    parser.add_argument("--cursor-seconds", type=float, default=86400, help="how long a cursor is good")
    Handler.source = Source(parser.parse_args())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", Handler.source.options.port), Handler)
    print("http://127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
