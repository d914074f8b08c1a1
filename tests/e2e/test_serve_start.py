# SPDX-License-Identifier: Apache-2.0
"""How the server begins and ends, alone and beside others; what it finds again after kill -9."""
import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from e2e_support import SOURCE, TIMEOUT
from serve_support import (NAMESPACE, UnixHTTP, buffers, held, needs_namespaces, process,
                           wait_readable, wait_until)
from tt_client import ALLOC, FREE, Client

MB = 1 << 20
HERE = SOURCE / "tests" / "e2e"

# A client in a process of its own: does what its standard input says, a line at a time.
CLIENT = f"""
import os, sys
sys.path.insert(0, {str(HERE)!r})
from tt_client import Client
clients = [Client(sys.argv[1], int(sys.argv[2]))]
for line in sys.stdin:
    what, *numbers = line.split()
    numbers = [int(number, 0) for number in numbers]
    if what == "connect":
        clients[0] = Client(sys.argv[1], int(sys.argv[2]))
    elif what == "pid":
        clients[0].pid = numbers[0]
    elif what == "close":
        clients[0].close()
    elif what == "fork":
        if os.fork() == 0:
            clients[0].alloc(*numbers)
            os._exit(0)
        os.wait()
    elif what == "exit":
        sys.exit(numbers[0])
    else:
        getattr(clients[0], what)(*numbers)
        clients[0].query(0)
    print("done", flush=True)
"""


class Program:
    def __init__(self, server, size=112):
        self.child = subprocess.Popen([sys.executable, "-c", CLIENT, server.tt_socket, str(size)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.child.pid

    def __call__(self, *words):
        self.child.stdin.write(" ".join(map(str, words)) + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline() == "done\n"

    def end(self, status=0):
        self("exit", status)
        self.child.communicate(timeout=TIMEOUT)

    def kill(self):
        self.child.kill()
        self.child.communicate(timeout=TIMEOUT)


@pytest.fixture
def program():
    started = []

    def start(server, size=112):
        started.append(Program(server, size))
        return started[-1]

    yield start
    for each in started:
        if each.child.poll() is None:
            each.kill()


def is_live(tally, pid):
    shown = process(tally, pid)
    return shown is not None and shown["state"] == "live"


# ---- beginning and end ----

def test_it_says_where_it_listens_and_ends_cleanly(serve, tally):
    server = serve()

    assert stat.S_ISSOCK(server.tt_socket.stat().st_mode)
    assert stat.S_IMODE(server.tt_socket.stat().st_mode) == 0o600
    assert f"listening on {server.tt_socket}" in server.log
    assert str(tally.dir) in server.log
    server.stop()
    assert not server.tt_socket.exists()
    assert not server.http_socket.exists()
    assert "error" not in server.log


def test_interrupt_ends_it_as_well(serve):
    server = serve()
    server.signal(signal.SIGINT)

    assert server.wait_end() == 0
    assert not server.tt_socket.exists()


@pytest.mark.parametrize("size", (72, 112, 128, 144))
def test_each_size_of_message(serve, tally, size):
    server = serve()
    with server.client(size) as client:
        client.alloc(0, 0x1000, MB)
        client.alloc(1, 0x1000, MB)
        assert client.query(0).dram_allocated == MB
        assert held(tally, os.getpid()) == {"DRAM": 2 * MB}
        client.free(0, 0x1000)
        assert client.query(0).dram_allocated == 0
        answer = client.query(1)
        assert answer.dram_allocated == MB
        assert (answer.l1_allocated, answer.cb_allocated, answer.kernel_allocated) == (0, 0, 0)


def test_the_names_of_the_proof_of_concept(serve, tally):
    server = serve(command=(str(tally.build / "allocation_server"),))
    with server.client() as client:
        client.alloc(0, 0x1000, MB)
        assert client.query(0).dram_allocated == MB
        done = subprocess.run([tally.build / "allocation_monitor_client", "-a", "-r", "500"],
                              env=tally.env, stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
        assert str(os.getpid()) in done.stdout.decode()


def test_mode_of_the_socket(serve):
    server = serve("--tt-socket-mode", "0666")
    assert stat.S_IMODE(server.tt_socket.stat().st_mode) == 0o666


def test_as_a_system_service_everybody_may_connect(serve, tmp_path):
    server = serve(env={"STATE_DIRECTORY": "/var/lib/meshtally"})
    assert stat.S_IMODE(server.tt_socket.stat().st_mode) == 0o666


def test_without_the_socket(serve):
    server = serve("--tt-socket", "none")
    assert not server.tt_socket.exists()
    server.stop()


# ---- beside others ----

def test_a_second_server_on_the_same_segments_says_so(serve, tally):
    first = serve()
    second = serve(wait=False)

    assert second.wait_end() == 1
    assert f"pid {first.pid}" in second.log and str(tally.dir) in second.log
    with first.client() as client:
        client.alloc(0, 1, MB)
        assert client.query(0).dram_allocated == MB


def test_a_second_server_on_the_same_socket_says_so(serve, tmp_path):
    first = serve()
    inode = first.tt_socket.stat().st_ino
    second = serve("--tt-socket", first.tt_socket, wait=False,
                   env={"MESHTALLY_DIR": str(tmp_path / "elsewhere")})

    assert second.wait_end() == 1
    assert f"another server listens on {first.tt_socket}" in second.log
    assert "--tt-socket PATH" in second.log
    assert first.tt_socket.stat().st_ino == inode
    with first.client() as client:
        assert client.query(0).dram_allocated == 0


def test_a_stale_socket_is_replaced(serve):
    first = serve()
    first.kill()
    assert first.tt_socket.exists()
    second = serve(directory=first.directory)

    with second.client() as client:
        assert client.query(0).dram_allocated == 0


def test_what_is_not_a_socket_stays(serve, tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    server = serve("--tt-socket", path, wait=False)

    assert server.wait_end() == 1
    assert "not a socket" in server.log
    assert path.read_text() == "precious"


def test_a_socket_that_is_not_its_own_any_more_stays(serve):
    server = serve()
    server.tt_socket.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(server.tt_socket))
        server.stop()
        assert server.tt_socket.exists()


@pytest.mark.parametrize("options, words", [
    (("--tt-protocol", "99"), "auto, 72, 112, 128 or 144"),
    (("--duplicates", "twice"), "collapse or refcount"),
    (("--keep-dead", "-1"), "a number"),
    (("--keep-dead-bytes", "5Q"), "64M"),
    (("--listen", "here"), "ADDRESS:PORT"),
    (("--log-level", "loud"), "error, warning, info or debug"),
    (("--tt-socket-mode", "0999"), "octal"),
])
def test_bad_options(tally, options, words):
    done = tally.all("serve", *options, status=2)
    assert words in done.stderr and len(done.stderr.splitlines()) == 1
    assert not tally.dir.exists()


def test_a_directory_that_is_missing(tally, tmp_path):
    path = tmp_path / "missing" / "socket"
    done = tally.all("serve", "--tt-socket", path, "--listen", "none", "--http-socket", "none",
                     "--state-dir", tmp_path / "state", status=1)
    assert str(path) in done.stderr and "No such file" in done.stderr


# ---- service managers ----

ACTIVATE = """
import os, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(16)
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="tt")
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_a_passed_socket(serve, tally, tmp_path):
    path = tmp_path / "passed"
    server = serve(under=(sys.executable, "-c", ACTIVATE, str(path)))

    assert "listening on the passed socket 'tt'" in server.log
    assert not server.tt_socket.exists(), "it stands in for the one of the options"
    with Client(path) as client:
        client.alloc(0, 1, MB)
        assert client.query(0).dram_allocated == MB
    server.stop()
    assert path.exists(), "it is the manager's"


def test_a_passed_socket_for_http(serve, tmp_path):
    path = tmp_path / "passed"
    script = ACTIVATE.replace('"tt"', '"http"')
    server = serve(under=(sys.executable, "-c", script, str(path)))

    assert server.tt_socket.exists() and not server.http_socket.exists()
    connection = UnixHTTP(path)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    server.stop()
    assert path.exists()


def test_a_watchdog_is_fed(serve):
    server = serve(env={"WATCHDOG_USEC": "100000"})
    server.wait_notify("WATCHDOG=1")
    server.wait_notify("WATCHDOG=1")
    server.signal(signal.SIGTERM)
    server.wait_notify("STOPPING=1")
    assert server.wait_end() == 0


# ---- reading again ----

def test_reading_the_devices_again(serve, tmp_path):
    table = tmp_path / "devices.ini"
    table.write_text("[0]\narch = wormhole_b0\n")
    server = serve("--devices", table)
    with server.client() as client:
        assert client.device_info(0).arch_type == 2
        assert client.device_info().num_devices == 1

        table.write_text("[0]\narch = blackhole\n[1]\narch = blackhole\n")
        server.reload()
        assert client.device_info(0).arch_type == 3
        assert client.device_info().num_devices == 2

        table.write_text("[0]\nnonsense\n")
        server.reload()
        server.wait_log(r"error: --devices: .*devices.ini:2")
        assert client.device_info(0).arch_type == 3, "the old table stays"


def test_a_bad_table_at_the_start(serve, tmp_path):
    table = tmp_path / "devices.ini"
    table.write_text("[0]\nnonsense\n")
    server = serve("--devices", table, wait=False)

    assert server.wait_end() == 1
    assert f"{table}:2" in server.log


# ---- who is who ----

def test_a_reconnect_goes_on_where_it_was(serve, tally, program):
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    client("close")
    client("connect")
    client("alloc", 0, 0x20, MB)
    assert held(tally, client.pid) == {"DRAM": 2 * MB}
    client("free", 0, 0x10)
    assert held(tally, client.pid) == {"DRAM": MB}
    assert process(tally, client.pid)["faults"] == 0


@pytest.mark.parametrize("duplicates", ("collapse", "refcount"))
def test_a_buffer_told_nine_times_ends_as_often_after_kill(serve, tally, program, duplicates):
    """A mesh buffer: the backing one, and its parts on eight devices."""
    options = ("--duplicates", duplicates)
    server = serve(*options)
    client = program(server)
    client("alloc", 0, 0x10, MB)
    for device in range(8):
        client("alloc", device, 0x10, MB)
    server.kill()
    server = serve(*options, directory=server.directory)
    client("connect")
    assert held(tally, client.pid) == {"DRAM": 8 * MB}
    client("free", 0, 0x10)
    for device in range(8):
        assert is_live(tally, client.pid)
        client("free", device, 0x10)
    assert held(tally, client.pid) == {}
    assert process(tally, client.pid)["faults"] == 0
    client.end()
    wait_until(lambda: not tally.segments(), "its segment is gone")
    assert not list((server.state / "dead").glob("*"))


def test_a_program_with_a_segment_counts_as_well(serve, tally, reporter):
    server = serve()
    program = reporter()
    space = program.device(9, 1, 0, None)
    assert program.alloc(space, 1, 0x1000, MB, MB, 0, 0, None, 0) == 0
    with server.client() as client:
        client.alloc(1, 0x10, 4 * MB)
        assert client.query(1).dram_allocated == 5 * MB
        assert client.query(0).dram_allocated == 0
        assert client.device_info(1).is_available == 1
        assert client.device_info().num_devices == 2
        assert program.end() == 0
        wait_until(lambda: client.query(1).dram_allocated == 4 * MB, "it has ended")


def test_connections_at_once_have_a_proxy_each(serve, tally):
    server = serve()
    with server.client() as one, server.client() as other:
        one.alloc(0, 0x10, MB)
        other.alloc(0, 0x10, MB)
        assert other.query(0).dram_allocated >= MB
        assert one.query(0).dram_allocated == other.query(0).dram_allocated == 2 * MB
        one.free(0, 0x10)
        assert one.query(0).dram_allocated == MB


def test_a_child_that_inherited_the_socket(serve, tally, program):
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    client("fork", 0, 0x20, 4 * MB)
    # The child has ended, and what it held with it.
    wait_until(lambda: re_query(server) == MB, "the child's bytes are gone")
    assert held(tally, client.pid) == {"DRAM": MB}


def re_query(server, device=0):
    with server.client() as client:
        return client.query(device).dram_allocated


def test_a_message_in_the_name_of_another(serve, tally, program):
    """Its parent's, which it does not descend from... the other way round would be right."""
    server = serve()
    with server.client() as client:
        client.alloc(0, 0x10, MB)
        liar = program(server)
        liar("pid", os.getpid())
        liar("alloc", 0, 0x20, MB)
        liar("free", 0, 0x10)
        assert client.query(0).dram_allocated == MB
    assert buffers(tally, os.getpid()) == {("DRAM", 0x10): MB}
    faults = tally.json("faults", "-p", liar.pid)["faults"]
    assert {fault["type"] for fault in faults} == {"MT_WRONG_PROCESS"}
    assert process(tally, os.getpid())["faults"] == 0
    server.wait_log(f"process {liar.pid} reports for process {os.getpid()}")


@needs_namespaces
def test_a_peer_that_cannot_be_seen(serve, tally):
    """Of another pid namespace: it ends with its connection."""
    server = serve(under=NAMESPACE)
    with server.client() as watching:
        with server.client() as client:
            client.alloc(0, 0x10, MB)
            assert client.query(0).dram_allocated == MB
            assert watching.query(0).dram_allocated == MB
        wait_until(lambda: watching.query(0).dram_allocated == 0, "it has hung up")
        wait_until(lambda: list((server.state / "dead").glob("*")), "its post-mortem")


@needs_namespaces
def test_a_peer_that_nobody_can_see_any_more(serve, tally):
    """Its server dies. It may have ended or not: nobody could tell, so it is not kept for ever."""
    server = serve(under=NAMESPACE)
    with server.client() as client:
        client.alloc(0, 0x10, MB)
        assert client.query(0).dram_allocated == MB
        assert len(tally.segments()) == 1
        with open(f"/proc/{server.pid}/task/{server.pid}/children") as children:
            inside = os.pidfd_open(int(children.read()))
        server.kill()
        wait_readable(inside)
        os.close(inside)
        after = serve(under=NAMESPACE, directory=server.directory)
        with after.client() as watching:
            assert watching.query(0).dram_allocated == 0
        wait_until(lambda: list((after.state / "dead").glob("*")), "its post-mortem")
        wait_until(lambda: not tally.segments(), "its segment is gone")


def test_a_child_that_ended_before_it_was_heard(serve, tally, program):
    """What it held has ended with it, and it is no stranger: its parent is not to blame."""
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    server.signal(signal.SIGSTOP)
    assert client("fork", 0, 0x20, 4 * MB)
    server.signal(signal.SIGCONT)
    client("alloc", 0, 0x30, MB)
    assert held(tally, client.pid) == {"DRAM": 2 * MB}
    assert process(tally, client.pid)["faults"] == 0
    assert 'why="gone"} 1\n' in server.get("/metrics")
    assert "is neither itself nor descended" not in server.log


def test_reconnecting_faster_than_the_server(serve, tally):
    """What was said on the first connection was said before."""
    server = serve()
    first = server.client()
    first.alloc(0, 0x10, MB)
    first.query(0)
    server.signal(signal.SIGSTOP)
    first.raw(b"".join(first.message(ALLOC, 0, 4096, id=number << 16) for number in range(1, 1001)))
    first.close()
    with server.client() as second:
        second.raw(b"".join(second.message(FREE, 0, id=number << 16) for number in range(1, 1001)))
        server.signal(signal.SIGCONT)
        assert second.query(0).dram_allocated == MB
    assert held(tally, os.getpid()) == {"DRAM": MB}
    assert process(tally, os.getpid())["faults"] == 0


@needs_namespaces
def test_a_peer_in_a_container(serve, tally):
    """It has another number for itself than the server has; its end is seen all the same."""
    server = serve()
    script = f"""
import os, sys
sys.path.insert(0, {str(HERE)!r})
from tt_client import Client
client = Client(sys.argv[1])
client.alloc(0, 0x10, {MB})
assert client.query(0).dram_allocated == {MB}
print(os.getpid(), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([*NAMESPACE, sys.executable, "-c", script, server.tt_socket],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert int(child.stdout.readline()) == 1
        shown = [each for each in tally.json("ps")["processes"] if each["state"] == "live"]
        assert len(shown) == 1 and shown[0]["pid"] != 1 and shown[0]["faults"] == 0
        os.kill(shown[0]["pid"], signal.SIGKILL)
        server.wait_log(f"process {shown[0]['pid']} .*signal 9")
        assert re_query(server) == 0


def test_what_remains_is_told_in_the_log(serve):
    server = serve()
    with server.client() as client:
        for device in (0, 1):
            for number in range(1, 4):
                client.alloc(device, number << 12, MB)
        client.dump_remaining()
        assert client.query(0).dram_allocated == 3 * MB, "and that it has no answer"
    server.wait_log("remaining: 6 buffers of 1 process")
    for device in (0, 1):
        server.wait_log(f"remaining: device {device}: 3 buffers, 3 MB$")


def test_the_log_has_no_line_per_allocation(serve):
    server = serve("--log-level", "debug")
    before = len(server.log.splitlines())
    with server.client() as client:
        for number in range(1, 2000):
            client.alloc(0, number << 12, MB)
            client.free(0, number << 12)
        client.query(0)
    assert len(server.log.splitlines()) < before + 20


# ---- death and return ----

def test_sigterm_leaves_what_it_knows_for_the_next(serve, tally, program):
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    server.stop()
    assert process(tally, client.pid)["state"] == "stale"
    assert held(tally, client.pid) == {"DRAM": MB}

    after = serve(directory=server.directory)
    assert is_live(tally, client.pid)
    assert buffers(tally, client.pid) == {("DRAM", 0x10): MB}
    assert "taken over" in after.log
    client("connect")
    client("free", 0, 0x10)
    assert held(tally, client.pid) == {}
    assert process(tally, client.pid)["faults"] == 0


def test_kill_and_return(serve, tally, program):
    server = serve()
    clients = [program(server, size) for size in (72, 144)]
    for number, client in enumerate(clients):
        client("alloc", number, 0x10, MB)
        client("alloc", number, 0x20, MB, 1)
        client("alloc", number, 0x20, MB, 1)
    server.kill()
    after = serve(directory=server.directory)
    for number, client in enumerate(clients):
        assert buffers(tally, client.pid) == {("DRAM", 0x10): MB, ("L1", 0x20): MB}
    assert re_query(after, 1) == MB
    # Its ends are still noticed, though nothing is connected.
    clients[0].kill()
    wait_until(lambda: re_query(after) == 0, "its bytes are gone")
    after.wait_log(f"process {clients[0].pid} .*signal 9.*: 2 buffers")
    assert is_live(tally, clients[1].pid)


def test_a_process_that_ended_while_no_server_was_there(serve, tally, program):
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    server.kill()
    client.kill()
    after = serve(directory=server.directory)

    assert re_query(after) == 0
    wait_until(lambda: list((after.state / "dead").glob(f"*-{client.pid}-*")), "its post-mortem")
    wait_until(lambda: not tally.segments(), "its segment is gone")


def test_the_end_of_a_client_is_noticed(serve, tally, program):
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    client.end(3)

    server.wait_log(f"process {client.pid} .*ended with status 3: 1 buffer")
    assert re_query(server) == 0
    wait_until(lambda: list((server.state / "dead").glob(f"*-{client.pid}-*")), "its post-mortem")


def test_the_end_of_a_client_that_gave_everything_back(serve, tally, program):
    server = serve()
    client = program(server)
    client("alloc", 0, 0x10, MB)
    client("free", 0, 0x10)
    client.end()

    server.wait_log(f"process {client.pid} .*has ended; nothing was live")
    assert tally.segments() == []
    assert not list((server.state / "dead").glob("*"))


def test_what_was_sent_before_the_end_counts(serve, tally, tmp_path):
    """All of it arrives at once with the hang-up, and the frees at its end are not lost."""
    script = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from tt_client import *
client = Client(sys.argv[1])
client.raw(b"".join(encode(112, ALLOC, 0, 4096, id=i) for i in range(1, 1000)) +
           b"".join(encode(112, FREE, 0, id=i) for i in range(2, 1000)))
"""
    server = serve()
    done = subprocess.Popen([sys.executable, "-c", script, server.tt_socket])
    assert done.wait(TIMEOUT) == 0
    server.wait_log(f"process {done.pid} .*ended with status 0: 1 buffer, 4 KB")

