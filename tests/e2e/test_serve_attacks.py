# SPDX-License-Identifier: Apache-2.0
"""What clients can do to the server's socket, on purpose or not: it goes on, and a client that
behaves gets right answers all the while."""
import fcntl
import os
import random
import re
import resource
import shutil
import socket
import struct
import subprocess
import termios
import time

import pytest

from serve_support import buffers, wait_until
from tt_client import (ALLOC, CB_ALLOC, DEVICE_INFO_QUERY, FREE, KERNEL_LOAD, QUERY, RESPONSE,
                       SIZES, encode)

MB = 1 << 20
DEVICE = 700  # of the witness alone


class Witness:
    """A client that behaves, and what it must be told."""

    def __init__(self, server, size=112):
        self.client = server.client(size)
        self.next = 1
        self.live = []

    def look(self):
        """Some events, then a question."""
        for _ in range(3):
            self.client.alloc(DEVICE, self.next << 12, 4096 * self.next)
            self.live.append(self.next)
            self.next += 1
        first = self.live.pop(0)
        self.client.free(DEVICE, first << 12)
        answer = self.client.query(DEVICE)
        assert answer.dram_allocated == 4096 * sum(self.live), answer
        assert answer.device_id == DEVICE


@pytest.fixture
def server(serve):
    # What was freed is to be given back under a sanitizer as well: memory is measured here.
    server = serve(env={"ASAN_OPTIONS": "quarantine_size_mb=1"})
    yield server
    assert server.child.poll() is None, server.log
    server.stop()
    assert "Sanitizer" not in server.log


@pytest.fixture
def witness(server):
    witness = Witness(server)
    witness.look()
    yield witness
    witness.look()


def send_until_closed(client, data):
    """The server may hang up in the middle of it."""
    try:
        client.raw(data)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_random_bytes(server, witness):
    for seed in range(60):
        client = server.client()
        send_until_closed(client, random.Random(seed).randbytes(1 + 150 * seed))
        client.close()
        witness.look()
    server.wait_log("not tt-metal's protocol")


def test_random_bytes_after_a_good_beginning(server, witness):
    for size in SIZES:
        with server.client(size) as client:
            client.alloc(1, 0x10, MB)
            client.query(1)
            send_until_closed(client, random.Random(size).randbytes(100000))
            client.wait_hang_up()
        witness.look()


def test_messages_of_random_fields(server, witness):
    """Every one of a right form: types, devices, sizes, processes are anything."""
    rng = random.Random(1)
    with server.client() as client:
        for _ in range(20):
            client.raw(b"".join(
                encode(112, rng.choice((ALLOC, FREE, CB_ALLOC, KERNEL_LOAD, rng.randrange(256))),
                       rng.choice((0, 1, -1, rng.randrange(-1 << 31, 1 << 31))),
                       rng.choice((0, 4096, rng.randrange(1 << 64))), rng.randrange(256),
                       pid=rng.choice((os.getpid(), rng.randrange(1 << 31))),
                       id=rng.randrange(1 << 64))
                for _ in range(200)))
            witness.look()


def test_half_a_message_and_silence(server, witness):
    quiet = [server.client(size) for size in SIZES]
    for client in quiet:
        client.raw(client.message(ALLOC, 1, MB, id=0x10)[:client.size // 2])
    witness.look()
    witness.look()
    for client in quiet:
        client.close()


def test_half_a_message_and_close(server, tally, witness):
    for size in SIZES:
        for cut in (1, 39, 40, size // 2, size - 1):
            with server.client(size) as client:
                client.alloc(1, 0x10, MB)
                client.free(1, 0x10)
                client.query(1)
                client.raw(client.message(ALLOC, 1, MB, id=0x20)[:cut])
            witness.look()
    assert server.client().query(1).dram_allocated == 0


def test_a_message_that_comes_byte_by_byte(server, witness):
    for size in SIZES:
        with server.client(size) as client:
            data = client.message(ALLOC, 1, MB, id=size) + client.message(ALLOC, 1, MB, id=size + 1)
            for byte in data:
                client.raw(bytes([byte]))
            assert client.query(1).dram_allocated >= 2 * MB
            client.free(1, size)
            client.free(1, size + 1)
            assert client.query(1).dram_allocated == 0
        witness.look()


def test_a_flood_from_200_connections(server, tally, witness):
    """Each sends as fast as it can; nobody starves, nothing is lost."""
    events = 500
    crowd = [server.client(SIZES[i % 4]) for i in range(200)]
    load = {client: b"".join(client.message(ALLOC, 2, 4096, id=(i + 1) << 16)
                             for i in range(events)) for client in crowd}
    for client in crowd:
        client.socket.setblocking(False)
    pending = dict(load)
    rounds = 0
    while pending:
        for client in list(pending):
            try:
                sent = client.socket.send(pending[client][:65536])
            except BlockingIOError:
                continue
            pending[client] = pending[client][sent:]
            if not pending[client]:
                del pending[client]
        rounds += 1
        if rounds % 10 == 0:
            witness.look()
    for client in crowd:
        client.socket.setblocking(True)
        client.query(2)
    witness.look()
    assert crowd[0].query(2).dram_allocated == 200 * events * 4096
    for client in crowd:
        client.close()


@pytest.mark.parametrize("device", (-1, 1024, 100000, 2**31 - 1, -2**31))
def test_devices_that_cannot_be(server, tally, witness, device):
    with server.client() as client:
        client.alloc(device, 0x10, MB)
        client.cb_alloc(device, 0x10, MB)
        client.kernel_load(device, 0x20, MB)
        client.free(device, 0x10)
        answer = client.query(device)
        assert answer.dram_allocated == answer.total_dram_size == answer.is_available == 0
        assert client.device_info(device).is_available == 0
        client.alloc(3, 0x10, MB)
        assert client.query(3).dram_allocated == MB
        client.free(3, 0x10)
        assert client.query(3).dram_allocated == 0
    faults = tally.json("faults", "-p", os.getpid())["faults"]
    assert {fault["type"] for fault in faults} == {"MT_MALFORMED"}


@pytest.mark.parametrize("size", (0, 2**63, 2**64 - 1, 2**48 + 1))
def test_sizes_that_cannot_be(server, tally, witness, size):
    with server.client() as client:
        client.alloc(3, 0x10, size)
        client.cb_alloc(3, 0x10, size)
        client.kernel_load(3, 0x10, size)
        assert client.query(3).dram_allocated == 0
        client.alloc(3, 0x20, MB)
        answer = client.query(3)
        assert (answer.dram_allocated, answer.l1_allocated) == (MB, 0)
        client.free(3, 0x20)
    faults = tally.json("faults", "-p", os.getpid())["faults"]
    assert "MT_MALFORMED" in {fault["type"] for fault in faults}


@pytest.mark.parametrize("kind", (5, 6, 255))
def test_kinds_of_memory_that_cannot_be(server, tally, witness, kind):
    with server.client() as client:
        client.alloc(3, 0x10, MB, kind)
        answer = client.query(3)
        assert not any((answer.dram_allocated, answer.l1_allocated, answer.l1_small_allocated,
                        answer.trace_allocated))
    faults = tally.json("faults", "-p", os.getpid())["faults"]
    assert {fault["type"] for fault in faults} == {"MT_MALFORMED"}


@pytest.mark.parametrize("kind", (0, 4, 7, 12, 255))
def test_types_that_cannot_be(server, tally, witness, kind):
    with server.client() as client:
        client.alloc(3, 0x10, MB)
        client.query(3)
        for _ in range(10):
            client.send(kind, 3, MB, id=0x20)
        assert client.query(3).dram_allocated == MB
        client.free(3, 0x10)
        assert client.query(3).dram_allocated == 0
    faults = tally.json("faults", "-p", os.getpid())["faults"]
    assert {fault["type"] for fault in faults} == {"MT_MALFORMED"}


def test_a_client_that_never_reads_its_answers(server, witness):
    with server.client() as deaf:
        deaf.socket.settimeout(0.05)
        questions = deaf.message(QUERY, 0) * 256
        gone = False
        for _ in range(1000):
            try:
                gone = send_until_closed(deaf, questions)
            except TimeoutError:
                pass
            witness.look()
            if gone:
                break
        assert gone, "it must be closed, however much it asks"
    server.wait_log("does not read its answers")
    with server.client() as other:
        assert other.query(0).dram_allocated == 0


def test_many_questions_at_once_are_all_answered(server, witness):
    """Of a client that reads, however late."""
    with server.client() as client:
        client.alloc(4, 0x10, MB)
        client.raw(client.message(QUERY, 4) * 300 + client.message(DEVICE_INFO_QUERY, -1))
        witness.look()
        assert all(client.answer().dram_allocated == MB for _ in range(300))
        assert client.answer().num_devices >= 5


def test_descriptors_running_out(serve):
    """Accepting pauses; who is connected goes on; and when there is room again, so do the rest."""
    limit = (100, 100)
    server = serve(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
    witness = Witness(server)
    witness.look()
    crowd = [server.client() for _ in range(120)]
    for client in crowd:
        client.alloc(5, 0x10, MB)
    server.wait_log("no new connections for a while")
    for _ in range(20):
        witness.look()
    # Processes that end, metrics and the like still have descriptors.
    assert len(os.listdir(f"/proc/{server.pid}/fd")) < limit[0]
    for client in crowd:
        client.close()
    with server.client() as late:
        assert late.query(DEVICE).dram_allocated == 4096 * sum(witness.live)
    witness.look()
    server.stop()


def test_more_connections_than_a_user_may_have(server, witness):
    crowd = [server.client() for _ in range(260)]
    server.wait_log("is refused")
    refused = [client for client in crowd if is_closed(client)]
    assert len(refused) == 260 - 255, "one is the witness's"
    witness.look()
    for client in crowd:
        client.close()

    def accepted():
        with server.client() as late:
            try:
                return late.query(DEVICE).dram_allocated == 4096 * sum(witness.live)
            except (EOFError, OSError):
                return False

    wait_until(accepted, "there is room again")


def is_closed(client):
    client.socket.settimeout(0.005)
    try:
        return client.socket.recv(1) == b""
    except TimeoutError:
        return False


def test_many_processes_named(server, witness):
    """Looking for them takes time; that is limited, and nobody else pays for it."""
    with server.client() as liar:
        for start in range(2, 6000, 500):
            liar.raw(b"".join(encode(112, ALLOC, 6, MB, id=1, pid=pid)
                              for pid in range(start, start + 500)
                              if pid != os.getpid()))
            witness.look()
        liar.query(6)


def test_many_processes_named_and_a_child_among_them(server, tally, witness):
    """Whoever floods loses events, and is told so; nobody is called a stranger for it."""
    first = 1 << 23  # beyond any process
    with server.client() as client:
        client.raw(b"".join(encode(112, ALLOC, 6, MB, id=1, pid=pid)
                            for pid in range(first, first + 4000)))
        child = os.fork()
        if child == 0:
            client.alloc(6, 0x20, MB, pid=os.getpid())
            client.query(6)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        witness.look()
        client.alloc(6, 0x10, MB)
        assert client.query(6).dram_allocated == MB
    faults = tally.json("faults", "-p", os.getpid())["faults"]
    assert {fault["type"] for fault in faults} == {"MT_LOST_EVENTS"}
    server.wait_log("reports for too many processes at once")


def ask(client, count):
    """Sends questions, and waits until the server has read them."""
    client.raw(client.message(QUERY, 0) * count)
    while struct.unpack("i", fcntl.ioctl(client.socket, termios.TIOCOUTQ, b"\0" * 4))[0] != 0:
        time.sleep(0)


def test_answers_that_are_read_slowly(server, witness):
    """Never all of them, but as many as are asked for: what waits is bounded."""
    step, limit = 64, 0
    with server.client() as deaf:
        try:
            while True:
                ask(deaf, step)
                limit += step
        except (BrokenPipeError, ConnectionResetError):
            pass
    with server.client() as client:
        for _ in range(limit // step - 5):
            ask(client, step)
        before = memory(server)
        for _ in range((32 << 20) // (step * client.size)):
            for _ in range(step):
                assert client.answer().type == RESPONSE
            ask(client, step)
        assert memory(server) < before + (16 << 20)


def memory(server):
    with open(f"/proc/{server.pid}/status") as status:
        return int(re.search(r"VmData:\s+(\d+)", status.read()).group(1)) << 10


def test_a_corrupt_segment_among_good_ones(server, tally, reporter, witness):
    program = reporter()
    space = program.device(9, 0, 0, None)
    assert space != 0
    tally.dir.mkdir(exist_ok=True)
    with open([path for path in tally.segments() if f"{program.pid}-" in path.name][0], "rb") as file:
        good = file.read(1 << 20)
    for name, data in {
            "1-0000000000000001.seg": b"",
            "1-0000000000000002.seg": random.Random(1).randbytes(100000),
            "1-0000000000000003.seg": good[:5000],
            "1-0000000000000004.seg": good[:2048] + b"\xff" * (len(good) - 2048),
            "1-0000000000000005.seg": good[:1024] + struct.pack("<QQIIQ", 1 << 60, 1 << 60, 1,
                                                               1 << 31, 0) * 16 + good[1536:],
    }.items():
        (tally.dir / name).write_bytes(data)
    os.mkfifo(tally.dir / "1-0000000000000006.seg")
    (tally.dir / "1-0000000000000007.seg").symlink_to("/dev/zero")
    witness.look()
    with server.client() as client:
        assert client.query(DEVICE).dram_allocated == 4096 * sum(witness.live)
    states = [each["state"] for each in tally.json("ps", "-p", program.pid)["processes"]]
    assert states.count("live") == 1
    assert program.end() == 0


@pytest.fixture
def small_shm(tally, tmp_path):
    """A directory of segments with little room."""
    path = tmp_path / "small"
    path.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", path],
                          stderr=subprocess.PIPE)
    if done.returncode != 0:
        pytest.skip(f"cannot mount: {done.stderr.decode().strip()}")
    tally.dir = path
    tally.env["MESHTALLY_DIR"] = str(path)
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def test_shared_memory_that_is_full(serve, tally, small_shm):
    server = serve()
    witness = Witness(server)
    witness.look()
    filler = small_shm / "filler"
    room = shutil.disk_usage(small_shm).free
    filler.write_bytes(bytes(room - 4096))

    with server.client() as late:
        late.alloc(8, 0x10, MB)
        assert late.query(8).dram_allocated == 0
        server.wait_log("no segment for process")
        witness.look()
        # One that has a segment goes on: beyond its room it counts without a record of each.
        for i in range(20000):
            witness.client.alloc(DEVICE + 1, (i + 1) << 12, 4096)
        assert witness.client.query(DEVICE + 1).dram_allocated == 20000 * 4096
        for i in range(20000):
            witness.client.free(DEVICE + 1, (i + 1) << 12)
        assert witness.client.query(DEVICE + 1).dram_allocated == 0
        witness.look()

        filler.unlink()

        def is_recorded():
            late.alloc(8, 0x20, MB)
            return late.query(8).dram_allocated == MB

        wait_until(is_recorded, "there is room again")
        assert buffers(tally, os.getpid())["DRAM", 0x20] == MB
    server.stop()
