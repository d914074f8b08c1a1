# SPDX-License-Identifier: Apache-2.0
"""HTTP of the server: what it answers, whom it lets in, and what it does to those who mean ill."""
import http.client
import selectors
import socket
import stat
import time

import pytest

from serve_support import Server, wait_until

CONNECTIONS = 64
REQUEST_SECONDS = 10
TOKEN = "a-token-of-some-length"


@pytest.fixture
def serve(tally):
    """serve(OPTION...): starts a server."""
    started = []

    def start(*options, **settings):
        started.append(Server(tally, *options, **settings))
        return started[-1]

    yield start
    for each in started:
        each.close()


class Wire:
    """A connection to the TCP port on which any bytes can be sent."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def head(self, target, *lines, method="GET", host="localhost"):
        self.send("\r\n".join((f"{method} {target} HTTP/1.1", f"Host: {host}", *lines, "", "")))
        return self.answer(method)

    def answer(self, method="GET"):
        """Status, headers and body of the next answer."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return response.status, dict(response.getheaders()), response.read().decode()

    def is_closed(self):
        """Waits until the other side has closed: no more comes."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def close(self):
        self.socket.close()


@pytest.fixture
def wire():
    made = []

    def connect(server):
        made.append(Wire(server))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def test_what_there_is(serve, wire):
    server = serve()
    assert "/api/v1/buffers" in server.get("/")
    assert server.get("/healthz") == "ok\n"
    assert server.get("/readyz") == "ready\n"
    status, headers, body = wire(server).head("/healthz", method="HEAD")
    assert status == 200 and headers["Content-Length"] == "3" and body == ""
    status, headers, body = wire(server).head("/api/v1/devices", method="POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD" and '"error"' in body
    assert server.json("/nothing", status=404)["error"]


def test_not_ready_without_its_directory(serve, tally):
    server = serve()
    tally.dir.rename(tally.dir.with_name("elsewhere"))
    assert "cannot read" in server.json("/readyz", status=503)["error"]


def test_one_connection_many_requests(serve, wire):
    server = serve()
    line = wire(server)
    for _ in range(3):
        assert line.head("/healthz")[0] == 200
    request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    line.send(request * 2 + "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    # One reader for all three: an HTTPResponse may read ahead.
    stream = line.socket.makefile("rb")
    answers = stream.read()
    assert answers.count(b"HTTP/1.1 200 OK") == 3 and answers.endswith(b"ready\n")


def test_client_that_has_said_all(serve, wire):
    line = wire(serve())
    line.send("GET /api/v1/processes HTTP/1.1\r\nHost: localhost\r\n\r\n")
    line.socket.shutdown(socket.SHUT_WR)
    assert line.answer()[0] == 200 and line.is_closed()


def test_client_that_has_said_several_things(serve, wire):
    line = wire(serve())
    line.send("GET /api/v1/processes HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    line.socket.shutdown(socket.SHUT_WR)
    answers = line.socket.makefile("rb").read()
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.count(b"Connection: close") == 1


@pytest.mark.parametrize("target,status", (
    ("/%2e%2e/etc/passwd", 404), ("/../etc/passwd", 404), ("//metrics", 404), ("/metrics/", 404),
    ("/%6detrics", 404), ("/api/v1/postmortems/../devices", 404), ("/api/v1/postmortems/%2e%2e", 404),
    ("/api/v1/postmortems/..", 404), ("/api/v1/postmortems/1-2-abc", 404), ("/API/V1/DEVICES", 404),
    ("/metrics\0", 400), ("/metrics\x00/x", 400), ("/\xff\xfe", 400), ("/api/v1/buffers?tag=%00", 400),
    ("/api/v1/buffers?tag=%ff", 400), ("/api/v1/buffers?tag=%zz", 400), ("/api/v1/buffers?tag=%4", 400),
    ("/api/v1/buffers?unheard=1", 400), ("/api/v1/devices?tag=x", 400), ("/api/v1/buffers?limit=0", 400),
    ("/api/v1/buffers?limit=1&limit=2", 400), ("/api/v1/buffers?limit=99999999999999999999", 400),
    ("/api/v1/buffers?pid=-1", 400), ("/api/v1/buffers?sort=up", 400), ("metrics", 400),
    ("http://localhost/metrics", 400), ("*", 400), ("/" + "a" * 3000, 414),
    ("/metrics?x=1", 400), ("/metrics#x", 404)))
def test_path_tricks(serve_once, wire, target, status):
    answer = wire(serve_once).head(target)
    assert answer[0] == status and '"error"' in answer[2], answer


@pytest.fixture(scope="module")
def serve_once(build, tmp_path_factory):
    """One server for tests that leave nothing behind."""
    from e2e_support import Tally
    server = Server(Tally(build, tmp_path_factory.mktemp("once")))
    yield server
    server.close()


def test_bad_value_is_named(serve_once):
    answer = serve_once.json("/api/v1/buffers?min_bytes=many", status=400)
    assert answer["error"] == "min_bytes: expected a number of bytes, not 'many'"


@pytest.mark.parametrize("bytes_sent,status", (
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: a\r\n b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\nb\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde", 413),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 413),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 9000 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 20000, 431)))
def test_bad_requests_are_answered_and_closed(serve_once, wire, bytes_sent, status):
    line = wire(serve_once)
    line.send(bytes_sent)
    assert line.answer()[0] == status
    assert line.is_closed()


def test_endless_body(serve_once, wire):
    """After the refusal what comes is thrown away for a while, then nobody listens any more."""
    line = wire(serve_once)
    line.send("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert line.answer()[0] == 405
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _ in range(4096):
            line.send(b"x" * 65536)
    assert serve_once.get("/healthz") == "ok\n"


def test_slow_requests(serve, wire):
    """However slowly bytes come: the head of a request is there in time, or it is over; others are
    not kept waiting."""
    server = serve()
    started = time.monotonic()
    silent, half, dripping = wire(server), wire(server), wire(server)
    half.send("GET /metrics HTTP/1.1\r\nHost: loc")
    rest = iter("GET / HTTP/1.1\r\nHost: localhost\r\n" + "A: b\r\n" * 1000)
    lines = {line.socket: line for line in (silent, half, dripping)}
    closed = {}
    with selectors.DefaultSelector() as selector:
        for each in lines:
            selector.register(each, selectors.EVENT_READ)
        while lines and time.monotonic() < started + 3 * REQUEST_SECONDS:
            for key, _ in selector.select(0.1):
                closed[lines.pop(key.fileobj)] = key.fileobj.recv(4096)
                selector.unregister(key.fileobj)
            if dripping.socket in lines:
                dripping.send(next(rest))
            assert server.get("/healthz") == "ok\n"
    assert set(closed) == {silent, half, dripping}
    assert closed[silent] == b""
    assert closed[half].startswith(b"HTTP/1.1 408 ") and closed[dripping].startswith(b"HTTP/1.1 408 ")


def test_too_many_connections(serve, wire):
    """Those that wait between requests make room; if all are busy, one more is turned away."""
    server = serve()
    idle = [wire(server) for _ in range(CONNECTIONS)]
    for line in idle:
        assert line.head("/healthz")[0] == 200
    more = wire(server)
    assert more.head("/healthz")[0] == 200
    assert idle[0].is_closed(), "the one that waited longest went"
    busy = [more, *idle[1:]]
    for line in busy:
        line.send("GET /heal")
    # All of these bytes are there before anybody new is.
    wait_until(lambda: wire(server).answer()[0] == 503, "all busy")
    assert busy[3].socket.send(b"thz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert busy[3].answer()[0] == 200 and busy[3].is_closed()
    assert wire(server).head("/healthz")[0] == 200, "room again"


def test_answers_that_nobody_takes(serve, wire, reporter):
    """They hold one connection each, and the server goes on."""
    server = serve()
    lines = [wire(server) for _ in range(8)]
    for line in lines:
        line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        line.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 64)
    for _ in range(20):
        assert "meshtally_build_info" in server.get("/metrics")


def test_other_names_for_this_machine(serve_once, wire):
    """A page that has its own name lead here (DNS rebinding) sends that name."""
    for host in ("evil.example", "evil.example:9755", "localhost.evil.example", "127.0.0.1.evil", ""):
        status, _, body = wire(serve_once).head("/api/v1/devices", host=host)
        assert status == 403 and "token" in body, host
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1:9755", "[::1]:9755", "[::1]"):
        assert wire(serve_once).head("/api/v1/devices", host=host)[0] == 200, host
    connection = serve_once.http()
    connection.request("GET", "/api/v1/devices", headers={"Host": "anything"})
    assert connection.getresponse().status == 200
    connection.close()


def make_token(tmp_path, token=TOKEN):
    file = tmp_path / "token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    return file


def test_token(serve, wire, tmp_path):
    file = make_token(tmp_path)
    server = serve("--token-file", file, listen="0.0.0.0:0")
    for headers in ((), ("Authorization: Bearer wrong",), (f"Authorization: Bearer {TOKEN}x",),
                    (f"Authorization: Bearer {TOKEN[:-1]}",), (f"Authorization: Basic {TOKEN}",),
                    ("Authorization: Bearer ",), ("Authorization: Bearer",)):
        for path in ("/metrics", "/", "/api/v1/devices", "/nothing"):
            status, answer, body = wire(server).head(path, *headers)
            assert status == 401 and answer["WWW-Authenticate"].startswith("Bearer") and "error" in body
    assert wire(server).head("/healthz")[0] == 200
    good = f"Authorization: Bearer {TOKEN}"
    assert wire(server).head("/metrics", good, host="any.example")[0] == 200
    assert TOKEN not in server.log
    assert server.json("/api/v1/devices")["devices"] == [], "a Unix socket needs no token"
    make_token(tmp_path, "quite-another-token")
    server.reload()
    assert wire(server).head("/metrics", good)[0] == 401
    assert wire(server).head("/metrics", "Authorization: Bearer quite-another-token")[0] == 200
    make_token(tmp_path, "short")
    server.reload()
    assert wire(server).head("/metrics", "Authorization: Bearer quite-another-token")[0] == 200


def test_open_to_others_only_with_a_token(serve):
    for address in ("0.0.0.0:0", "[::]:0"):
        server = serve(listen=address, wait=False)
        assert server.wait_end() == 1
        assert "--token-file" in server.log


@pytest.mark.parametrize("token", ("", "short", "spaces in a token here", "x" * 600))
def test_bad_token_file(serve, tmp_path, token):
    server = serve("--token-file", make_token(tmp_path, token), wait=False)
    assert server.wait_end() == 1 and "--token-file" in server.log


def test_token_file_that_is_not_there(serve, tmp_path):
    server = serve("--token-file", tmp_path / "missing", wait=False)
    assert server.wait_end() == 1 and "No such file" in server.log


@pytest.mark.parametrize("address", ("localhost", "127.0.0.1:", "127.0.0.1:x", "::1:80", "1.2.3.4.5:80",
                                     "127.0.0.1:99999"))
def test_bad_address(serve, address):
    server = serve(listen=address, wait=False)
    assert server.wait_end() in (1, 2) and address in server.log


def test_port_that_is_taken(serve, tally, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = serve(listen=f"127.0.0.1:{other.getsockname()[1]}", wait=False)
        assert server.wait_end() == 1 and "--listen" in server.log


def test_unix_socket(serve, tmp_path):
    """Its directory and itself are for its owner alone; what is stale is replaced, what is not a
    socket never."""
    server = serve()
    assert stat.S_IMODE(server.http_socket.stat().st_mode) == 0o600
    server.kill()
    assert server.http_socket.exists()
    again = serve(directory=server.directory)
    assert again.get("/healthz") == "ok\n"
    again.stop()
    assert not again.http_socket.exists()
    server.http_socket.write_text("precious")
    refused = serve(directory=server.directory, wait=False)
    assert refused.wait_end() == 1 and "not a socket" in refused.log
    assert server.http_socket.read_text() == "precious"


def test_default_unix_socket(serve, tmp_path):
    server = serve(leave_out=("--http-socket",), env={"XDG_RUNTIME_DIR": str(tmp_path)})
    directory = tmp_path / "meshtally"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    server.http_socket = directory / "http.sock"
    assert server.get("/healthz") == "ok\n"
    server.stop()
    directory.rmdir()
    directory.symlink_to(tmp_path)
    refused = serve(leave_out=("--http-socket",), env={"XDG_RUNTIME_DIR": str(tmp_path)}, wait=False)
    assert refused.wait_end() == 1 and "--http-socket" in refused.log
