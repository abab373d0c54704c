"""A loopback file server as good and as bad as any: ranges, ETags, redirects, and faults in the order asked for.

    with files.serving({"/a.bin": b"…"}) as server:
        server.faults["/a.bin"] = [files.cut(after=1000), files.status(503, {"Retry-After": "0"})]
        … server.url("/a.bin") …; server.asked

It speaks TLS with a certificate for `localhost` and `127.0.0.1`, which are two hosts to a client.
"""

import contextlib
import hashlib
import re
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

CERTIFICATE = Path(__file__).with_name("loopback.pem")


@dataclass(frozen=True)
class Asked:
    """One request that came."""

    method: str
    target: str
    headers: dict


@dataclass
class FileServer:
    """What is served, what goes wrong, and what was asked."""

    files: dict
    port: int = 0
    scheme: str = "https"
    headers: dict = field(default_factory=dict)  # path -> headers that stand in for ours; None leaves one out
    faults: dict = field(default_factory=dict)  # path -> what to do with the next requests instead
    tokens: dict = field(default_factory=dict)  # path -> the token it needs
    asked: list = field(default_factory=list)
    answer: object = None  # a function of handler and path, for servers that do more

    def url(self, path, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    def targets(self):
        return [asked.target for asked in self.asked]


@contextlib.contextmanager
def serving(contents, tls=True, answer=None):
    """A server in threads of this process, until the block ends."""
    state = FileServer(files=dict(contents), scheme="https" if tls else "http", answer=answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.port = server.server_address[1]
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


# ---- faults: each answers one request


def status(code, headers=None, body=b"an error page"):
    return lambda handler, data: handler.reply(code, body, headers or {})


def redirect(location, code=302):
    return status(code, {"Location": location}, b"")


def cut(after):
    """The connection breaks after so many bytes of the body."""

    def act(handler, data):
        handler.send_file(data, most=after)
        handler.close_connection = True

    return act


def flip(at):
    """One byte is another; the rest, and the ETag, are as ever."""
    return lambda handler, data: handler.send_file(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], of=data)


def stall(seconds_event):
    """Nothing comes until the event is set."""

    def act(handler, data):
        seconds_event.wait(30)
        handler.close_connection = True

    return act


def whole(handler, data):
    """The file from its start, whatever range was asked for."""
    handler.reply(200, data, handler.described(data))


def endless(handler, data):
    """A body of no announced length that goes on until nobody listens."""
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(bytes(1 << 20))
    handler.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    state: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer()

    def do_HEAD(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def _answer(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.state.asked.append(Asked(self.command, self.path, dict(self.headers)))
        path = urlsplit(self.path).path
        if self.state.answer and self.state.answer(self, path):
            return
        data = self.state.files.get(path)
        if faults := self.state.faults.get(path):
            faults.pop(0)(self, data)
        elif data is None:
            self.reply(404, b"no such file")
        elif path in self.state.tokens and self.headers.get("Authorization") != f"Bearer {self.state.tokens[path]}":
            self.reply(401, b"who are you?")
        else:
            self.send_file(data)

    def described(self, data):
        """The headers of a file."""
        path = urlsplit(self.path).path
        ours = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:16]}"', "Accept-Ranges": "bytes"}
        return {k: v for k, v in {**ours, **self.state.headers.get(path, {})}.items() if v is not None}

    def send_file(self, data, most=None, of=None):
        headers = self.described(data if of is None else of)
        etag = headers.get("ETag")
        if etag and self.headers.get("If-None-Match") == etag:
            self.reply(304, b"", headers)
            return
        wanted = re.fullmatch(r"bytes=([0-9]+)-([0-9]*)", self.headers.get("Range", ""))
        if wanted and self.headers.get("If-Range", etag) == etag:
            start, end = int(wanted[1]), int(wanted[2] or len(data) - 1)
            if start >= len(data):
                self.reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{min(end, len(data) - 1)}/{len(data)}"
            self.reply(206, data[start : end + 1], headers, most)
        else:
            self.reply(200, data, headers, most)

    def reply(self, code, body, headers=(), most=None):
        self.send_response(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if code != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and code != 304:
            with contextlib.suppress(OSError):
                self.wfile.write(body[:most])

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(OSError):  # a client that goes away is none of our business
            super().handle()
