# SPDX-License-Identifier: Apache-2.0
"""A process that is seen by its segment, over the socket and in tt-metal's counters counts once;
programs that know devices by ordinals alone; what is shown once the server has died."""
import pathlib
import subprocess
import sys

import pytest

from serve_support import Server, process, wait_until
from test_cli_counters import Format, kinds_of, put
from tt_client import DRAM

CHIP = 0x1234567890ab
MB = 1 << 20


@pytest.fixture
def server(tally):
    """server(OPTION...): starts one."""
    started = []

    def start(*options, **named):
        started.append(Server(tally, *options, **named))
        return started[-1]

    yield start
    for each in reversed(started):
        each.close()


@pytest.fixture
def child(tally):
    """child(VARIABLE=...): a process below this one, that waits until it is ended."""
    started = []

    def start(**env):
        clean = {name: value for name, value in tally.env.items() if "VISIBLE_DEVICES" not in name}
        started.append(subprocess.Popen(["cat"], env={**clean, **env}, stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL))
        return started[-1]

    yield start
    for each in started:
        if each.poll() is None:
            each.kill()
        each.communicate()


def counters(pid, dram, device=0, chip=CHIP):
    """A counter file of one process that has only DRAM."""
    figures = {"DRAM": dram, "L1": 0, "L1_SMALL": 0, "TRACE": 0, "CB": 0}
    image = bytearray(Format(4).file([(pid, b"stock")], figures))
    image[40:44] = device.to_bytes(4, "little")
    return bytes(image)


def report(server, pid, bytes, devices=(0,)):
    """A connection over which the process has reported a buffer on each of these devices."""
    client = server.client(pid=pid)
    for device in devices:
        client.alloc(device, 0x1000, bytes, DRAM)
    client.query(0)  # everything before it has been applied
    return client


def dram(device):
    return kinds_of(device)["DRAM"]["bytes"]


def witnesses(devices):
    return {(each["counted"], each["witness"]): (each["counted_bytes"], each["witness_bytes"])
            for each in devices["witnesses"] if each["kind"] == "DRAM"}


def test_seen_all_three_ways_and_counted_once(tally, reporter, server):
    """Whatever comes first: here the socket."""
    program = reporter()
    with report(server(), program.pid, MB + 256):
        assert [dram(device) for device in tally.json("devices")["devices"]] == [MB + 256]

        space = program.device(CHIP, 0, 0, None)
        assert program.alloc(space, 1, 0, MB, MB, 0, 0, "own", 0) == 0
        put(tally, counters(program.pid, MB + 512))
        devices = tally.json("devices")

        device, = devices["devices"]
        assert device["unique_id"] == hex(CHIP) and device["processes"] == 1
        assert dram(device) == MB and kinds_of(device)["DRAM"]["buffers"] == 1
        assert witnesses(devices) == {("segment", "socket"): (MB, MB + 256),
                                      ("segment", "tt_metal_counters"): (MB, MB + 512)}
        shown, = tally.json("ps")["processes"]
        assert (shown["pid"], shown["source"], shown["counted"]) == (program.pid, "segment", True)
        buffer, = tally.json("ls")["buffers"]
        assert buffer["total_bytes"] == MB and buffer["id"] == "0x1", "the program's own record"
        text = tally("ps")
        assert "the socket says 1 MB, +256 B of what its segment says" in text
        assert "tt-metal's counters say 1 MB, +512 B of what its segment says" in text
        assert [line.split()[0] for line in text.splitlines()].count(str(program.pid)) == 1


def test_the_socket_counts_where_there_is_no_segment(tally, child, server):
    stock = child()
    put(tally, counters(stock.pid, MB + 512))
    with report(server(), stock.pid, MB):
        devices = tally.json("devices")
        device, = devices["devices"]
        assert device["unique_id"] == hex(CHIP), "which chip it is the counters say"
        assert dram(device) == MB and device["processes"] == 1
        assert witnesses(devices) == {("socket", "tt_metal_counters"): (MB, MB + 512)}
        shown, = tally.json("ps")["processes"]
        assert (shown["source"], shown["state"]) == ("socket", "live")
        assert "socket" in tally("ps") and "+512 B of what the socket says" in tally("ps")


def test_each_chip_by_the_best_that_knows_it(tally, reporter, server):
    program = reporter()
    space = program.device(CHIP, 0, 0, None)
    assert program.alloc(space, 1, 0, MB, MB, 0, 0, "own", 0) == 0
    for n in range(3):
        put(tally, counters(program.pid, 9 * MB, n, CHIP + n), CHIP + n)
    with report(server(), program.pid, 4 * MB, (0, 1)):
        devices = {device["unique_id"]: dram(device)
                   for device in tally.json("devices")["devices"]}
        assert devices == {hex(CHIP): MB, hex(CHIP + 1): 4 * MB, hex(CHIP + 2): 9 * MB}
        assert {each["source"]: each["rows"] for each in tally.json("ps")["processes"]} == \
            {"segment": [0], "socket": [1], "tt_metal_counters": [2]}


def test_two_processes_are_two(tally, reporter, child, server):
    program, stock = reporter(), child()
    space = program.device(CHIP, 0, 0, None)
    assert program.alloc(space, 1, 0, MB, MB, 0, 0, "own", 0) == 0
    put(tally, counters(stock.pid, 1))
    with report(server(), stock.pid, 2 * MB):
        device, = tally.json("devices")["devices"]
        assert dram(device) == 3 * MB and device["processes"] == 2


def test_ordinals_merge_where_masks_are_equal(tally, child, server):
    """Two programs that see all devices, two with the same mask, one with another."""
    serve = server()
    masks = [{}, {}, {"TT_VISIBLE_DEVICES": "2,3"}, {"TT_VISIBLE_DEVICES": "2,3"},
             {"TT_VISIBLE_DEVICES": "3,2"}]
    programs = [child(**mask) for mask in masks]
    clients = [report(serve, program.pid, MB << n) for n, program in enumerate(programs)]
    devices = tally.json("devices")["devices"]
    assert sorted(dram(device) for device in devices) == [3 * MB, 12 * MB, 16 * MB]
    assert sorted(device["processes"] for device in devices) == [1, 2, 2]
    for client in clients:
        client.close()


def test_unique_ids_come_from_the_table_of_devices(tally, reporter, child, server, tmp_path):
    table = tmp_path / "devices.ini"
    table.write_text(f"[0]\nunique_id = {hex(CHIP)}\narch = wormhole_b0\n")
    program, stock = reporter(), child()
    space = program.device(CHIP, 5, 0, None)  # its own ordinal is another
    assert program.alloc(space, 1, 0, MB, MB, 0, 0, "own", 0) == 0
    with report(server("--devices", table), stock.pid, 2 * MB):
        device, = tally.json("devices")["devices"]
        assert device["unique_id"] == hex(CHIP) and dram(device) == 3 * MB


def test_stale_while_there_is_no_server(tally, child, server):
    stock = child()
    first = server()
    client = report(first, stock.pid, MB)
    assert process(tally, stock.pid)["state"] == "live"
    assert process(tally, stock.pid)["stale_since_unix_seconds"] is None

    first.kill()
    shown = process(tally, stock.pid)
    assert (shown["state"], shown["source"], shown["counted"]) == ("stale", "socket", True)
    assert shown["start_unix_seconds"] <= shown["stale_since_unix_seconds"]
    devices = tally.json("devices")
    assert [dram(device) for device in devices["devices"]] == [MB], "it lives, and has it"
    stale, = devices["stale"]
    assert stale["process"]["pid"] == stock.pid and stale["since_unix_seconds"] is not None
    for verb in ("ps", "devices", "ls", "top"):
        assert f"process {stock.pid} is stale since" in tally(verb), verb
    assert "reports to a server that is gone" in tally("doctor", status=None)

    second = server(directory=first.directory)
    assert process(tally, stock.pid)["state"] == "live", "the new one has taken it over"
    assert tally.json("devices")["stale"] == [] and "stale" not in tally("ps")
    assert [dram(device) for device in tally.json("devices")["devices"]] == [MB]
    client.close()
    second.stop()


def test_stale_ends_with_its_process(tally, child, server):
    """Nobody watches; the next look sees it."""
    stock, serve = child(), server()
    client = report(serve, stock.pid, MB)
    serve.kill()
    stock.kill()
    stock.wait()
    assert process(tally, stock.pid)["state"] == "killed"
    assert sum(kind["bytes"] for device in tally.json("devices")["devices"]
               for kind in device["kinds"]) == 0
    client.close()


def verdicts(tally, pid):
    return {each["verdict"]: each["total_bytes"]
            for each in tally.json("leaks", "--dead", "-p", pid, status=None)["leaks"]}


@pytest.mark.parametrize("end,verdict", (("exit", "open"), ("kill", "killed")))
def test_verdicts_on_what_a_client_held(tally, child, server, end, verdict):
    """The protocol cannot tell that a device was closed before the end."""
    stock, serve = child(), server()
    client = report(serve, stock.pid, MB)
    if end == "exit":
        stock.stdin.close()
    else:
        stock.kill()
    stock.wait()
    tally.env.update(MESHTALLY_STATE_DIR=str(serve.state))
    # Until the server has noticed how it ended nobody knows.
    assert wait_until(lambda: verdicts(tally, stock.pid) == {verdict: MB}, verdict)
    client.close()


def test_the_dead_are_told_once(tally, reporter, server):
    """A program with a segment of its own that also spoke over the socket."""
    program, serve = reporter(), server()
    space = program.device(CHIP, 0, 0, None)
    assert program.alloc(space, 1, 0, MB, MB, 0, 0, "own", 0) == 0
    client = report(serve, program.pid, MB + 256)
    tally.env.update(MESHTALLY_STATE_DIR=str(serve.state))
    assert program.kill() != 0
    assert wait_until(lambda: verdicts(tally, program.pid), "a verdict") == {"killed": MB}
    wait_until(lambda: not tally.segments(), "both segments have become post-mortems")
    assert verdicts(tally, program.pid) == {"killed": MB}
    client.close()


IN_CONTAINER = """
import sys
sys.path.insert(0, sys.argv[2])
from tt_client import Client
with Client(sys.argv[1]) as client:
    client.alloc(0, 0x1000, 1 << 20)
    client.query(0)
    print("ready", flush=True)
    sys.stdin.read()
"""


BOTH_IN_CONTAINER = """
import subprocess, sys
sys.path.insert(0, sys.argv[2])
from tt_client import Client
program = subprocess.Popen([sys.argv[3]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
def call(*words):
    print(*words, file=program.stdin, flush=True)
    return int(program.stdout.readline())
space = call("device", 9, 0, 0, "-")
assert call("alloc", space, 1, 0, 1 << 20, 1 << 20, 0, 0, "-", 0) == 0
with Client(sys.argv[1], pid=program.pid) as client:
    client.alloc(0, 0x1000, (1 << 20) + 256)
    print(client.query(0).dram_allocated, flush=True)
    sys.stdin.read()
program.communicate()
"""


def test_a_program_in_a_container_counts_once(tally, server):
    """It has another pid for itself than the server has for it."""
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child",
               "--mount-proc"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no pid namespaces for us here")
    serve = server()
    with subprocess.Popen([*unshare, sys.executable, "-B", "-c", BOTH_IN_CONTAINER,
                           str(serve.tt_socket), str(pathlib.Path(__file__).parent),
                           str(tally.build / "tests" / "e2e" / "e2e_reporter")],
                          env={**tally.env, "MESHTALLY": "1"}, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as inside:
        assert inside.stdout.readline() == b"%d\n" % MB
        devices = tally.json("devices")
        assert [dram(device) for device in devices["devices"]] == [MB]
        assert witnesses(devices) == {("segment", "socket"): (MB, MB + 256)}
        shown, = tally.json("ps")["processes"]
        assert shown["source"] == "segment"


def test_ordinals_in_containers_are_their_own(tally, child, server):
    """No mask says nothing of which devices a container was given."""
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no pid namespaces for us here")
    serve, stock = server(), child()
    support = str(pathlib.Path(__file__).parent)
    inside = [subprocess.Popen([*unshare, sys.executable, "-B", "-c", IN_CONTAINER,
                                str(serve.tt_socket), support], env=tally.env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    with report(serve, stock.pid, MB):
        for program in inside:
            assert program.stdout.readline() == b"ready\n"
        devices = tally.json("devices")["devices"]
        assert [dram(device) for device in devices] == [MB, MB, MB]
    for program in inside:
        program.communicate(timeout=60)
