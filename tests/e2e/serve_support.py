# SPDX-License-Identifier: Apache-2.0
"""A server of a test's own: `meshtally serve` on paths of its own, ready when the constructor
returns, told to end by close()."""
import http.client
import json
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from e2e_support import TIMEOUT, wait_until  # pylint: disable=unused-import
from tt_client import Client


def use_memory(tally):
    """Moves the directory of segments, which is still empty, to where they are in earnest.
    Returns it, for the caller to remove."""
    tally.dir = pathlib.Path(tempfile.mkdtemp(prefix="mts-", dir="/dev/shm"))
    tally.env["MESHTALLY_DIR"] = str(tally.dir)
    return tally.dir


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path, timeout=TIMEOUT):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Server:
    """`meshtally serve` beside a Tally: same directory of segments, same counters.

    directory: where sockets, log and state are; another Server may go on with it.
    listen: HTTP address; port 0 lets the kernel choose, see .port.
    leave_out: options that are to have their defaults.
    """

    def __init__(self, tally, *options, directory=None, listen="127.0.0.1:0", wait=True, env=None,
                 command=None, under=(), leave_out=(), **popen):
        self.tally = tally
        self.made = directory is None
        # Names of Unix sockets are short: pytest's own directories may be too deep.
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="mts-"))
        self.tt_socket = self.directory / "tt.sock"
        self.http_socket = self.directory / "http.sock"
        self.state = self.directory / "state"
        self.log_path = self.directory / f"log-{time.monotonic_ns()}"
        self.env = {**tally.env, "MESHTALLY_STATE_DIR": str(self.state), **(env or {})}
        notify_path = self.directory / f"notify-{time.monotonic_ns() % 10**9}"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(notify_path))
        self.env.setdefault("NOTIFY_SOCKET", str(notify_path))
        self.command = [*under, *(command or (str(tally.command), "serve"))]
        words = [*self.command, *map(str, options)]
        for name, value in (("--tt-socket", self.tt_socket), ("--http-socket", self.http_socket),
                            ("--listen", listen)):
            if name not in leave_out and name not in words and not any(w.startswith(name + "=") for w in words):
                words += [name, str(value)]
        with open(self.log_path, "wb") as log:
            self.child = subprocess.Popen(words, env=self.env, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, **popen)
        if wait:
            self.wait_ready()

    @property
    def pid(self):
        return self.child.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_notify(self, word, timeout=TIMEOUT):
        """Waits for a datagram to the service manager with this line, e.g. "READY=1"."""
        deadline = time.monotonic() + timeout
        self.notify.settimeout(0.05)
        while True:
            try:
                if word in self.notify.recv(4096).decode().splitlines():
                    return
            except TimeoutError:
                pass
            assert self.child.poll() is None, f"the server has ended:\n{self.log}"
            assert time.monotonic() < deadline, f"no {word} within {timeout} s:\n{self.log}"

    def wait_ready(self):
        self.wait_notify("READY=1")

    def wait_log(self, pattern, timeout=TIMEOUT):
        """Waits for a line; the match."""
        return wait_until(lambda: re.search(pattern, self.log, re.M), f"{pattern!r} in\n{self.log}",
                          timeout)

    def wait_end(self, timeout=TIMEOUT):
        """Waits for the process to end by itself; its exit status."""
        return self.child.wait(timeout)

    @property
    def port(self):
        return int(re.search(r"http://[^ ]*:(\d+)", self.log).group(1))

    def client(self, size=112, pid=None):
        return Client(self.tt_socket, size, pid)

    def http(self):
        return UnixHTTP(self.http_socket)

    def get(self, path, headers=None, status=200):
        """Body of GET path over the Unix socket, as text."""
        connection = self.http()
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            body = response.read().decode()
            assert status is None or response.status == status, f"{response.status}: {body}"
            return body
        finally:
            connection.close()

    def json(self, path, **options):
        return json.loads(self.get(path, **options))

    def signal(self, number):
        self.child.send_signal(number)

    def reload(self):
        """SIGHUP, until everything is read again."""
        self.signal(signal.SIGHUP)
        self.wait_notify("RELOADING=1")
        self.wait_ready()

    def stop(self, status=0):
        """SIGTERM; the exit status must be as told."""
        if self.child.poll() is None:
            self.signal(signal.SIGTERM)
        assert self.child.wait(TIMEOUT) == status, self.log
        return self.log

    def kill(self):
        self.child.kill()
        self.child.wait(TIMEOUT)

    def close(self):
        """For the end of a test: whatever state it is in."""
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait(TIMEOUT)
        self.notify.close()
        if self.made:
            shutil.rmtree(self.directory, ignore_errors=True)


def wait_readable(descriptor, timeout=TIMEOUT):
    """Waits until a descriptor can be read, e.g. a pidfd: its process has ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        assert selector.select(timeout), "nothing to read"


def process(tally, pid):
    """A process as `ps --json` shows it, or None. A proxy is shown under its subject's pid."""
    found = [each for each in tally.json("ps", "-p", pid, status=None).get("processes", ())
             if each["pid"] == pid]
    return found[0] if found else None


def held(tally, pid):
    """{kind: bytes over all devices} of a process, kinds that hold nothing left out."""
    shown = process(tally, pid)
    return {kind["kind"]: kind["bytes"] for kind in (shown or {}).get("kinds", ()) if kind["bytes"]}


def buffers(tally, pid):
    """Its live buffers as {(kind, id): bytes over all devices}."""
    sums = {}
    for line in tally.json("ls", "-p", pid, "-n", 0, status=None)["buffers"]:
        key = line["kind"], int(line["id"], 16)
        sums[key] = sums.get(key, 0) + line["total_bytes"]
    return sums


def may(*command):
    """Whether a program can be run under it here."""
    return subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

# Not in a chroot, and not in most containers.
needs_namespaces = pytest.mark.skipif(not may(*NAMESPACE), reason="no pid namespaces here")
