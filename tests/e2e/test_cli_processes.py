# SPDX-License-Identifier: Apache-2.0
"""Several processes at once."""
from e2e_support import figures

TENSOR, QUEUES = 4194304, 14753792


def test_two_programs_on_the_same_devices(tally, mesh):
    """Both at the same addresses of the same chips: the sums are right, and each has its own."""
    first = mesh("--hooks=mesh").until("tensor-b")
    second = mesh("--hooks=both", "--ids=address").until("tensor-a")
    devices = tally.json("devices")["devices"]

    assert len(devices) == 8 and all(device["processes"] == 2 for device in devices)
    assert [device["kinds"][0]["user_bytes"] for device in devices] == [3 * TENSOR] * 8
    assert [device["kinds"][0]["system_bytes"] for device in devices] == [2 * QUEUES] * 8
    assert devices[0]["kinds"][0]["peak_held_bytes"] is None, "peaks do not add up"
    sums = {line["process"]["pid"]: line["user_bytes"]
            for line in tally.json("ls", "--by", "process")["sums"]}
    assert sums == {first.pid: 8 * 2 * TENSOR, second.pid: 8 * TENSOR}

    first.kill()
    devices = tally.json("devices")["devices"]
    assert [device["kinds"][0]["user_bytes"] for device in devices] == [TENSOR] * 8
    assert tally.json("leaks", "-p", first.pid)["totals"]["killed"]["total_bytes"] == \
        8 * 2 * TENSOR
    states = {process["pid"]: process["state"] for process in tally.json("ps")["processes"]}
    assert states == {first.pid: "killed", second.pid: "live"}
    second.until("closed")
    assert all(amount == 0 for device in figures(tally.json("devices")).values()
               for kind in device.values() for amount in kind.values())


def test_overlap_of_two_processes_is_found(tally, mesh):
    """Two allocators that both believe to own the memory: a finding of the reader."""
    mesh("--hooks=mesh").until("tensor-a")
    mesh("--hooks=mesh").until("tensor-a")
    faults = tally.json("faults", "-n", 0)

    assert faults["faults"] == [], "neither did anything wrong by itself"
    assert {finding["type"] for finding in faults["findings"]} == {"overlap"}
    tally("faults", "--check", status=4)


def test_twenty_processes(tally, reporter):
    programs = [reporter() for _ in range(20)]
    for n, program in enumerate(programs):
        space = program.device(0xd00d, 0, 0, None)
        assert program.alloc(space, 1, 0x10000 * n, 1000 + n, 1000 + n, 0, 0, f"p{n}", 0) == 0
    device, = tally.json("devices")["devices"]

    assert device["processes"] == 20
    assert device["kinds"][0]["user_bytes"] == sum(range(1000, 1020))
    assert len(tally.json("ps")["processes"]) == 20
    assert {line["site"] for line in tally.json("ls", "-n", 0)["buffers"]} == \
        {f"p{n}" for n in range(20)}
    for program in programs[::2]:
        program.kill()
    device, = tally.json("devices")["devices"]
    assert device["kinds"][0]["user_bytes"] == sum(range(1001, 1020, 2))
    assert tally.json("leaks", "-n", 0)["totals"]["killed"]["records"] == 10


def test_closed_lost_and_ended(tally, reporter):
    """The verdicts of a program that goes on, and of one that ends."""
    program = reporter()
    closed, lost, still = (program.device(n, n, 0, None) for n in (1, 2, 3))
    for n, space in enumerate((closed, lost, still)):
        assert program.alloc(space, 10 + n, 0x1000, 1 << n, 1 << n, 0, 0, "user", 0) == 0
        assert program.alloc(space, 20 + n, 0x2000, 64, 64, 0, 2, "cache", 0) == 0
    assert program.close(closed, 0) == 0 and program.close(lost, 1) == 0

    def totals():
        return {verdict: total["total_bytes"]
                for verdict, total in tally.json("leaks", "-n", 0)["totals"].items()}

    living = totals()
    assert (living["leaked"], living["lost"], living["killed"]) == (1, 2, 0)
    assert program.end() == 0
    ended = totals()
    assert (ended["leaked"], ended["lost"], ended["killed"]) == (1 + 4, 2, 0)
    assert ended["cache"] == 2 * 64 or ended["cache"] == 3 * 64
